//! Any body to each kind of method in each form there is: an answer that is no server error, in a form that was
//! asked for.
#![no_main]

use ambidex_fuzz::with_router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use libfuzzer_sys::fuzz_target;
use tower::ServiceExt;

const PLACES: [(&str, &str); 10] = [
    ("POST", "/edge/items/1:archive"),
    ("POST", "/edge/chat?$alt=sse"),
    ("POST", "/edge/ids?fields=ids"),
    ("PUT", "/edge/inner/a?name=x"),
    ("POST", "/edge/uploads/a"),
    ("POST", "/edge/say"),
    ("POST", "/edge.v1.Edge/See"),
    ("POST", "/edge.v1.Edge/Chat"),
    ("POST", "/edge.v1.Edge/Many"),
    ("POST", "/v1/edge:unruled"),
];

const TYPES: [&str; 6] = [
    "application/json",
    "application/x-ndjson",
    "application/proto",
    "application/connect+json",
    "application/connect+proto",
    "text/plain",
];

const CODINGS: [&str; 4] = ["identity", "gzip", "br", "zstd"];

fuzz_target!(|data: &[u8]| {
    let Some((&[place, form, coding, accept], body)) = data.split_first_chunk::<4>() else { return };
    let (method, path) = PLACES[usize::from(place) % PLACES.len()];
    let coding = CODINGS[usize::from(coding) % CODINGS.len()];
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", TYPES[usize::from(form) % TYPES.len()])
        .header("content-encoding", coding)
        .header("connect-content-encoding", coding)
        .header("accept-encoding", CODINGS[usize::from(accept) % CODINGS.len()])
        .body(Body::from(body.to_vec()))
        .expect("a request");
    let (status, answer) = with_router(|router| async move {
        let response = router.oneshot(request).await.expect("the router does not fail");
        let status = response.status();
        (status, response.into_body().collect().await.expect("the body has an end").to_bytes())
    });
    // A handler of this service may choose any status; the edge itself blames nobody but the client.
    if path != "/edge/say" {
        assert!(
            status.as_u16() < 500 || status.as_u16() == 501,
            "{status} {}",
            String::from_utf8_lossy(&answer)
        );
    }
});
