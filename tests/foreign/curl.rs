//! curl, as a request to make and an answer to look at.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use crate::program::{self, Program, prints};
use crate::server;

static CURL: Program = Program::new("curl 7.84 or later with HTTP/2", &["curl"], |curl| {
    let version = prints(curl, &["--version"]).unwrap_or_default();
    version.contains("HTTP2") && is_recent(&version)
});

/// `--write-out` learned to print all headers as JSON in 7.83, and each header's case as sent in 7.84.
fn is_recent(version: &str) -> bool {
    let number = version.split_whitespace().nth(1).unwrap_or_default();
    let mut parts = number.split('.').map_while(|part| part.parse::<u32>().ok());
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (7, 84)
}

/// What curl prints on stderr after the body, to be read back.
const WRITE_OUT: &str = r#"%{stderr}{"version": "%{http_version}", "status": %{response_code}, "connects": %{num_connects}, "uploaded": %{size_upload}, "headers": %{header_json}}"#;

/// Begins a request; `None` where curl's tests are to be skipped.
pub fn request(method: &str, path: &str) -> Option<Request> {
    let mut command = CURL.command()?;
    command.args(["--silent", "--show-error"]);
    // What a test writes is what is sent.
    command.args(["--globoff", "--path-as-is"]);
    match method {
        "HEAD" => command.args(["--head", "--output", "/dev/null"]),
        _ => command.args(["--request", method]),
    };
    command.arg(format!("http://{}{path}", server::address()));
    Some(Request { command, body: Vec::new() })
}

pub fn get(path: &str) -> Option<Request> {
    request("GET", path)
}

/// Begins a POST of JSON.
pub fn post(path: &str, json: Value) -> Option<Request> {
    Some(request("POST", path)?.json(json))
}

pub struct Request {
    command: Command,
    body: Vec<u8>,
}

/// A whole response.
#[derive(Debug)]
pub struct Answer {
    pub version: String,
    pub status: u16,
    headers: HashMap<String, Vec<String>>,
    pub body: Vec<u8>,
    /// Connections that were opened for it.
    pub connects: u64,
    /// Bytes of the request's body that were sent.
    pub uploaded_bytes: u64,
}

impl Request {
    /// Adds arguments of curl's own.
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    pub fn header(self, name: &str, value: &str) -> Self {
        self.arguments(&["--header", &format!("{name}: {value}")])
    }

    pub fn http2(self) -> Self {
        self.arguments(&["--http2-prior-knowledge"])
    }

    pub fn json(self, json: Value) -> Self {
        self.body("application/json", json.to_string())
    }

    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type).arguments(&["--data-binary", "@-"])
    }

    /// The same without a length up front.
    pub fn streamed_body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body(content_type, body).header("transfer-encoding", "chunked")
    }

    /// Sends it, and reads the answer to its end. Of several requests the head is the last one's.
    #[track_caller]
    pub fn send(mut self) -> Answer {
        self.command.args(["--max-time", "30", "--write-out", WRITE_OUT]);
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("curl starts");
        let body = self.body;
        let mut stdin = child.stdin.take().expect("a pipe");
        // From a thread, since curl may print before it has read all. It may leave without, too.
        let writing = std::thread::spawn(move || drop(stdin.write_all(&body)));
        let output = child.wait_with_output().expect("curl ends");
        writing.join().expect("a thread that does not panic");
        assert!(output.status.success(), "curl: {}", program::shown(&output));
        let heads = serde_json::Deserializer::from_slice(&output.stderr).into_iter::<Value>();
        let head = heads
            .last()
            .expect("a head")
            .unwrap_or_else(|error| panic!("{error}: {}", program::shown(&output)));
        let number = |name: &str| head[name].as_u64().expect("a number");
        Answer {
            version: head["version"].as_str().expect("a version").to_owned(),
            status: u16::try_from(number("status")).expect("three digits"),
            headers: serde_json::from_value(head["headers"].clone()).expect("names with lists of values"),
            body: output.stdout,
            connects: number("connects"),
            uploaded_bytes: number("uploaded"),
        }
    }

    /// Sends it, and expects the answer to be cut off: what came of the body, curl's exit code, and what it says.
    pub fn until_cut_off(mut self) -> (String, Option<i32>, String) {
        let output = self.command.args(["--max-time", "30"]).output().expect("curl starts");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (text(output.stdout), output.status.code(), text(output.stderr))
    }

    /// Sends it as a stream of lines that the test writes while it reads the answer's.
    pub fn converse(mut self) -> Conversation {
        // `--upload-file .` sends what stdin has as soon as it has it, and reads meanwhile. Waiting for leave to
        // begin would only take time.
        self.command.args(["--no-buffer", "--upload-file", ".", "--header", "expect:"]);
        self.listen()
    }

    /// Sends it and reads the answer line by line.
    pub fn listen(mut self) -> Conversation {
        self.command.arg("--no-buffer");
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut curl = self.command.spawn().expect("curl starts");
        let stdin = curl.stdin.take();
        let stdout = BufReader::new(curl.stdout.take().expect("a pipe"));
        let (heard, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if heard.send(line).is_err() {
                    return;
                }
            }
        });
        Conversation { curl, stdin, lines }
    }
}

/// A request and its answer while both go on.
pub struct Conversation {
    curl: Child,
    stdin: Option<ChildStdin>,
    lines: mpsc::Receiver<String>,
}

/// How long an answer may take. Not curl's own `--max-time`: with `--upload-file .` that makes some versions wait
/// for the time to pass.
const PATIENCE: Duration = Duration::from_secs(30);

impl Conversation {
    pub fn say(&mut self, line: &Value) {
        let stdin = self.stdin.as_mut().expect("nobody speaks after the end");
        stdin.write_all(format!("{line}\n").as_bytes()).expect("curl reads");
    }

    /// Ends the request.
    pub fn end(&mut self) {
        self.stdin = None;
    }

    #[track_caller]
    pub fn hear(&self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("a line in time");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}

/// Leaves as a client does that crashes.
impl Drop for Conversation {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.curl.kill();
        let _ = self.curl.wait();
    }
}

impl Answer {
    /// The one value of a header.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        match self.headers(name) {
            [] => "",
            [value] => value,
            several => panic!("{name} has several values: {several:?}"),
        }
    }

    pub fn headers(&self, name: &str) -> &[String] {
        self.headers.get(name).map_or(&[], Vec::as_slice)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The JSON of a reply that went well.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!((self.status, self.header("content-type")), (200, "application/json"), "{}", self.text());
        self.json()
    }

    /// The records of an NDJSON reply.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        assert_eq!(
            (self.status, self.header("content-type")),
            (200, "application/x-ndjson"),
            "{}",
            self.text()
        );
        let text = self.text();
        assert!(text.ends_with('\n'), "each record is a whole line: {text:?}");
        text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
    }

    /// An error as [AIP-193](https://google.aip.dev/193) has it, whose message says `says`.
    #[track_caller]
    pub fn refused(&self, http_status: u16, name: &str, says: &str) {
        assert_eq!(
            (self.status, self.header("content-type")),
            (http_status, "application/json"),
            "{}",
            self.text()
        );
        let error = &self.json()["error"];
        assert_eq!(error["code"], http_status, "the body repeats the HTTP status");
        assert_eq!(error["status"], name);
        let message = error["message"].as_str().expect("a message");
        assert!(message.contains(says), "{message:?} does not say {says:?}");
    }
}
