//! `buf curl`, the command-line client on connect-go: gRPC and Connect, with the schema as buf itself compiles it, or as
//! the server tells it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::program::{self, Program, prints};
use crate::server;

static BUF: Program = Program::new("buf", &["./node/node_modules/.bin/buf", "buf"], |buf| {
    prints(buf, &["--version"]).is_some()
});

/// What `buf curl` is told to speak.
#[derive(Debug, Clone, Copy)]
enum Wire {
    Grpc,
    ConnectHttp1,
    ConnectHttp2,
}

use Wire::{ConnectHttp1, ConnectHttp2, Grpc};

const EVERY_WIRE: [Wire; 3] = [Grpc, ConnectHttp1, ConnectHttp2];

impl Wire {
    fn flags(self) -> &'static [&'static str] {
        match self {
            Grpc => &["--protocol", "grpc", "--http2-prior-knowledge"],
            ConnectHttp1 => &["--protocol", "connect"],
            ConnectHttp2 => &["--protocol", "connect", "--http2-prior-knowledge"],
        }
    }
}

/// How a call ended.
#[derive(Debug)]
struct Outcome {
    exit_code: i32,
    messages: Vec<Value>,
    /// Errors as JSON, and with `--verbose` what went over the wire.
    stderr: String,
}

impl Outcome {
    /// The messages of a call that went well.
    #[track_caller]
    fn ok(&self) -> &[Value] {
        assert_eq!(self.exit_code, 0, "{}", self.stderr);
        &self.messages
    }

    /// The error of a call that did not. buf leaves with the gRPC code, shifted by three bits.
    #[track_caller]
    fn error(&self, code: ambidex::Code) -> Value {
        assert_eq!(self.exit_code, (code as i32) << 3, "{}", self.stderr);
        serde_json::from_str(&self.stderr).unwrap_or_else(|error| panic!("{error}: {}", self.stderr))
    }

    /// Whether a header or trailer came with this value, under the name as buf prints it.
    fn came(&self, name: &str, value: &str) -> bool {
        self.stderr.lines().any(|line| line.contains(" < ") && line.ends_with(&format!(" {name}: {value}")))
    }
}

/// Calls a method with some request messages; `None` where buf's tests are to be skipped.
fn call(wire: Wire, method: &str, requests: &[Value]) -> Option<Outcome> {
    call_with(wire, method, requests, &[])
}

fn call_with(wire: Wire, method: &str, requests: &[Value], flags: &[&str]) -> Option<Outcome> {
    BUF.command()?;
    let image = image().to_str().expect("a path in UTF-8");
    call_by(&[&["--schema", image], flags].concat(), wire, method, requests)
}

/// Calls a method of a service that buf knows by what the server says; `protocol` is a version of reflection.
fn call_reflected(protocol: &str, wire: Wire, method: &str, requests: &[Value]) -> Option<Outcome> {
    call_by(&["--reflect", "--reflect-protocol", protocol], wire, method, requests)
}

fn call_by(flags: &[&str], wire: Wire, method: &str, requests: &[Value]) -> Option<Outcome> {
    let mut buf = BUF.command()?;
    let data: String = requests.iter().map(Value::to_string).collect();
    buf.args(["curl", "--timeout", "30s", "--data", &data]).args(wire.flags()).args(flags);
    buf.arg(format!("http://{}/parity.v1.Parity/{method}", server::address()));
    let output = buf.output().expect("buf runs");
    let stdout = String::from_utf8(output.stdout).expect("buf prints UTF-8");
    let messages = serde_json::Deserializer::from_str(&stdout).into_iter();
    Some(Outcome {
        exit_code: output.status.code().expect("buf exits"),
        messages: messages.map(|message| message.expect("buf prints JSON")).collect(),
        stderr: String::from_utf8(output.stderr).expect("buf prints UTF-8"),
    })
}

/// The tests' protos, compiled by buf.
fn image() -> &'static Path {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let image = Path::new(env!("CARGO_TARGET_TMPDIR")).join("parity.binpb");
        let modules = json!({"version": "v2", "modules": [{"path": "proto"}]});
        let mut buf: Command = BUF.command().expect("who asks for the schema has buf");
        buf.current_dir(program::root()).args(["build", "--path", "proto/parity", "--output"]).arg(&image);
        let output = buf.args(["--config", &modules.to_string()]).output().expect("buf runs");
        assert!(output.status.success(), "buf build: {}", program::shown(&output));
        image
    })
}

#[test]
fn a_unary_call_is_answered_on_every_wire() {
    let item = json!({"name": "näme", "count": "-5", "data": "/+8=", "color": "RED", "stock": {"a": 1}});
    for wire in EVERY_WIRE {
        for method in ["Echo", "EchoBlocking", "EchoOffloaded"] {
            let request = json!({"text": "hello", "item": item, "numbers": [1, 2]});
            let Some(outcome) = call(wire, method, &[request]) else { return };
            let [reply] = outcome.ok() else { panic!("one message is the answer: {outcome:?}") };
            assert_eq!((&reply["text"], &reply["item"]), (&json!("hello"), &item), "{wire:?} {method}");
        }
    }
}

#[test]
fn an_empty_message_is_answered_with_an_empty_message() {
    for wire in EVERY_WIRE {
        let Some(outcome) = call(wire, "Echo", &[json!({})]) else { return };
        assert_eq!(outcome.ok(), [json!({})], "{wire:?}");
    }
}

#[test]
fn the_handler_knows_the_protocol() {
    for (wire, protocol) in [(Grpc, "grpc"), (ConnectHttp1, "rpc"), (ConnectHttp2, "rpc")] {
        let Some(outcome) = call(wire, "DescribeBlocking", &[json!({})]) else { return };
        let [reply] = outcome.ok() else { panic!("one message is the answer: {outcome:?}") };
        assert_eq!(reply["protocol"], protocol, "{wire:?}");
        assert_eq!(reply["method"], "parity.v1.Parity/DescribeBlocking");
        assert_eq!(reply["hasPeer"], true);
    }
}

#[test]
fn a_server_stream_arrives_message_by_message() {
    for method in ["Count", "CountBlocking"] {
        let Some(outcome) = call(Grpc, method, &[json!({"to": 3})]) else { return };
        assert_eq!(outcome.ok(), [json!({"number": 1}), json!({"number": 2}), json!({"number": 3})]);
    }
}

#[test]
fn a_client_stream_is_added_up() {
    let numbers: Vec<_> = (1..=100).map(|number| json!({"number": number})).collect();
    for method in ["Sum", "SumBlocking"] {
        let Some(outcome) = call(Grpc, method, &numbers) else { return };
        assert_eq!(outcome.ok(), [json!({"sum": "5050", "count": 100})]);
    }
}

#[test]
fn a_conversation_has_a_reply_to_each_message() {
    for method in ["Running", "RunningBlocking"] {
        let requests = [json!({"number": 1}), json!({"number": 2})];
        let Some(outcome) = call(Grpc, method, &requests) else { return };
        assert_eq!(outcome.ok(), [json!({"sum": "1", "count": 1}), json!({"sum": "3", "count": 2})]);
    }
}

#[test]
fn an_error_has_its_code_message_and_details_on_every_wire() {
    let plan = json!({"failCode": 9, "failMessage": "nöt “now”\n100%", "failDetails": true});
    for wire in EVERY_WIRE {
        for method in ["Echo", "EchoBlocking"] {
            let Some(outcome) = call(wire, method, &[json!({"plan": plan})]) else { return };
            let error = outcome.error(ambidex::Code::FailedPrecondition);
            assert_eq!(error["code"], "failed_precondition");
            assert_eq!(error["message"], "nöt “now”\n100%", "{wire:?} {method}");
            assert_eq!(error["details"][0]["type"], "google.rpc.BadRequest");
            // The message that the handler made, in bytes.
            assert_eq!(error["details"][0]["value"], "ChsKBHRleHQSE2lzIG5vdCB0byBteSBsaWtpbmc");
        }
    }
}

#[test]
fn messages_before_an_error_arrive() {
    let request = [json!({"to": 2, "plan": {"failCode": 15, "failMessage": "lost"}})];
    for method in ["Count", "CountBlocking"] {
        let Some(outcome) = call(Grpc, method, &request) else { return };
        assert_eq!(outcome.messages, [json!({"number": 1}), json!({"number": 2})]);
        assert_eq!(outcome.error(ambidex::Code::DataLoss)["message"], "lost");
    }
}

#[test]
fn a_panic_is_internal_and_says_nothing_of_the_inside() {
    for wire in EVERY_WIRE {
        for method in ["Echo", "EchoBlocking"] {
            let Some(outcome) = call(wire, method, &[json!({"plan": {"panic": true}})]) else { return };
            let error = outcome.error(ambidex::Code::Internal);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}

#[test]
fn a_deadline_of_the_method_ends_the_call() {
    for wire in EVERY_WIRE {
        let request = json!({"plan": {"sleepMs": 10_000}});
        let Some(outcome) = call(wire, "Hurried", &[request]) else { return };
        outcome.error(ambidex::Code::DeadlineExceeded);
    }
}

#[test]
fn metadata_go_both_ways() {
    let headers = ["--verbose", "--header", "x-echo-a: one", "--header", "x-trail-a: two"];
    let request = [json!({"plan": {"echoMetadata": true}})];
    for (wire, trailer) in [(Grpc, "X-Trail-A"), (ConnectHttp1, "Trailer-X-Trail-A")] {
        let Some(outcome) = call_with(wire, "Echo", &request, &headers) else { return };
        outcome.ok();
        assert!(outcome.came("X-Echo-A", "one"), "{wire:?}: {}", outcome.stderr);
        assert!(outcome.came(trailer, "two"), "{wire:?}: {}", outcome.stderr);
    }
}

const REFLECTIONS: [&str; 2] = ["grpc-v1", "grpc-v1alpha"];

#[test]
fn calls_of_every_kind_by_reflection() {
    let numbers = [json!({"number": 1}), json!({"number": 2})];
    let counted = [json!({"number": 1}), json!({"number": 2}), json!({"number": 3})];
    let cases: [(&str, &[Value], &[Value]); 8] = [
        ("Count", &[json!({"to": 3})], &counted),
        ("CountBlocking", &[json!({"to": 3})], &counted),
        ("Sum", &numbers, &[json!({"sum": "3", "count": 2})]),
        ("SumBlocking", &numbers, &[json!({"sum": "3", "count": 2})]),
        ("Running", &numbers, &[json!({"sum": "1", "count": 1}), json!({"sum": "3", "count": 2})]),
        ("RunningBlocking", &numbers, &[json!({"sum": "1", "count": 1}), json!({"sum": "3", "count": 2})]),
        ("Echo", &[json!({"text": "hi"})], &[json!({"text": "hi"})]),
        ("EchoBlocking", &[json!({"text": "hi"})], &[json!({"text": "hi", "onScheduler": true})]),
    ];
    for reflection in REFLECTIONS {
        for (method, requests, replies) in cases {
            let Some(outcome) = call_reflected(reflection, Grpc, method, requests) else { return };
            assert_eq!(outcome.ok(), replies, "{reflection} {method}");
        }
    }
}

#[test]
fn reflection_over_connect() {
    // Its streams go both ways, which Connect over HTTP/1.1 cannot.
    for reflection in REFLECTIONS {
        let request = [json!({"text": "hi"})];
        let Some(outcome) = call_reflected(reflection, ConnectHttp2, "Echo", &request) else { return };
        assert_eq!(outcome.ok(), [json!({"text": "hi"})], "{reflection}");
    }
}

#[test]
fn services_and_methods_are_listed_by_reflection() {
    for (flag, line) in [("--list-services", "parity.v1.Parity"), ("--list-methods", "parity.v1.Parity/Echo")]
    {
        let Some(mut buf) = BUF.command() else { return };
        buf.args(["curl", "--reflect", flag]).args(Grpc.flags());
        let output = buf.arg(format!("http://{}", server::address())).output().expect("buf runs");
        assert!(output.status.success(), "{}", program::shown(&output));
        let listed = String::from_utf8(output.stdout).expect("buf prints UTF-8");
        assert!(listed.lines().any(|listed| listed == line), "{listed}");
    }
}

#[test]
fn a_method_that_is_not_there_is_not_found_by_reflection() {
    let Some(outcome) = call_reflected("grpc-v1", Grpc, "Nothing", &[json!({})]) else { return };
    assert_ne!(outcome.exit_code, 0);
    assert!(outcome.stderr.contains("Nothing"), "{}", outcome.stderr);
}
