//! Settings from files and the environment: who is heard, what is refused, and what is printed.

use std::path::PathBuf;
use std::process::Command;

use ambidex::scheduler::{Criticality, SchedulerConfig};
use ambidex::server::{Config, ConfigError, ConfigSources, Cors, ListenerConfig, Protocols, TlsConfig};
use http::StatusCode;

use crate::support::running::{parity_builder, start};

/// A file of settings, in a folder that is the tests' own.
fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path
}

pub fn from_toml(name: &str, text: &str) -> Result<Config, ConfigError> {
    ConfigSources::new().file(file(name, text)).load()
}

pub fn from_variables<const N: usize>(variables: [(&str, &str); N]) -> Result<Config, ConfigError> {
    ConfigSources::new().variables("AMBIDEX", variables).load()
}

/// What is wrong, without the folder that the tests' files are in.
fn problems(result: Result<Config, ConfigError>) -> Vec<String> {
    let error = result.expect_err("something is wrong");
    let folder = format!("{}/", env!("CARGO_TARGET_TMPDIR"));
    error.problems().iter().map(|problem| problem.to_string().replace(&folder, "")).collect()
}

#[test]
fn each_source_is_heard_over_those_before_it() {
    let mut defaults = Config::default();
    defaults.body_max_bytes = 1;
    defaults.drain_quiet_ms = 1;
    defaults.drain_silence_ms = 1;
    defaults.connections_max = 1;
    let first = "drain_quiet_ms = 2\ndrain_silence_ms = 2\nconnections_max = 2\n";
    let second = "drain_silence_ms = 3\nconnections_max = 3\n";
    let mut config = ConfigSources::new()
        .defaults(defaults)
        .file(file("first.toml", first))
        .optional_file("/there/is/no/such/file.toml")
        .file(file("second.toml", second))
        .variables(
            "AMBIDEX",
            [("AMBIDEX_CONNECTIONS_MAX", "4"), ("OTHER_CONNECTIONS_MAX", "5"), ("AMBIDEXTROUS", "x")],
        )
        .load()
        .unwrap();
    let said =
        (config.body_max_bytes, config.drain_quiet_ms, config.drain_silence_ms, config.connections_max);
    assert_eq!(said, (1, 2, 3, 4));
    assert_eq!(config.in_flight_max, Config::default().in_flight_max);
    config.connections_max = 5;
    let printed = config.effective().to_string();
    for line in [
        "body_max_bytes = 1 # code",
        &format!("drain_quiet_ms = 2 # {}/first.toml:1", env!("CARGO_TARGET_TMPDIR")),
        &format!("drain_silence_ms = 3 # {}/second.toml:1", env!("CARGO_TARGET_TMPDIR")),
        "connections_max = 5 # code",
        "in_flight_max = 10000 # default",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line}\n{printed}");
    }
}

const EVERYTHING: &str = r#"
timeout_max_ms = 5_000
compress_replies = false
sse_id_field = "id"

[json_out]
emit_unset_fields = true

[cors]
origins = ["https://a.example", "https://b.example"]

[methods."parity.v1.Parity/Echo"]
criticality = "sheddable"
lane = "echoes"

[scheduler]
threads_max = 7

[[scheduler.lanes]]
name = "echoes"
weight = 3

[[listeners]]
address = "127.0.0.1:0"
serves = "grpc"

[[listeners]]
address = "unix:/run/shop.sock"
mode = 432
tls = { certificate_chain_file = "/there/is/none.crt", private_key_file = "none.key" }
"#;

fn check_everything(config: &Config) {
    assert_eq!(config.timeout_max_ms, Some(5_000));
    assert!(!config.compress_replies);
    assert_eq!(config.sse_id_field.as_deref(), Some("id"));
    assert!(config.json_out.emit_unset_fields);
    assert_eq!(config.json_out.max_depth, 100, "its neighbours keep their defaults");
    assert_eq!(config.cors, Some(Cors::origins(["https://a.example", "https://b.example"])));
    let method = &config.methods["parity.v1.Parity/Echo"];
    assert_eq!((method.criticality, method.lane.as_deref()), (Some(Criticality::Sheddable), Some("echoes")));
    assert_eq!(config.scheduler.threads_max, 7);
    assert_eq!(config.scheduler.queue_max, SchedulerConfig::default().queue_max);
    let [lane] = &config.scheduler.lanes[..] else { panic!("{:?}", config.scheduler.lanes) };
    assert_eq!((&*lane.name, lane.weight, lane.ordered), ("echoes", 3, false));
    let mut grpc = ListenerConfig::at("127.0.0.1:0");
    grpc.serves = Protocols::Grpc;
    let mut unix = ListenerConfig::at("unix:/run/shop.sock");
    (unix.mode, unix.tls) = (Some(0o660), Some(TlsConfig::new("/there/is/none.crt", "none.key")));
    assert_eq!(config.listeners, [grpc, unix]);
}

#[test]
fn a_file_may_set_everything() {
    check_everything(&from_toml("everything.toml", EVERYTHING).unwrap());
}

#[test]
fn yaml_says_the_same() {
    let yaml = r#"
timeout_max_ms: 5000
compress_replies: false
sse_id_field: id
json_out: {emit_unset_fields: true}
cors:
  origins: ["https://a.example", "https://b.example"]
methods:
  "parity.v1.Parity/Echo": {criticality: sheddable, lane: echoes}
scheduler:
  threads_max: 7
  lanes:
    - {name: echoes, weight: 3}
listeners:
  - {address: "127.0.0.1:0", serves: grpc}
  - address: unix:/run/shop.sock
    mode: 432
    tls: {certificate_chain_file: /there/is/none.crt, private_key_file: none.key}
"#;
    check_everything(&from_toml("everything.yaml", yaml).unwrap());
    let wrong = problems(from_toml("wrong.yaml", "timeout_max_ms: soon\nbody: 3\n"));
    assert_eq!(wrong.len(), 2, "{wrong:?}");
}

#[test]
fn variables_may_set_everything() {
    let config = from_variables([
        ("AMBIDEX_TIMEOUT_MAX_MS", "5_000"),
        ("AMBIDEX_COMPRESS_REPLIES", "0"),
        ("AMBIDEX_SSE_ID_FIELD", "id"),
        ("AMBIDEX_JSON_OUT__EMIT_UNSET_FIELDS", "TRUE"),
        ("AMBIDEX_CORS__ORIGINS", "https://a.example, https://b.example"),
        (
            "AMBIDEX_METHODS",
            r#"{ "parity.v1.Parity/Echo" = { criticality = "sheddable", lane = "echoes" } }"#,
        ),
        (
            "AMBIDEX_LISTENERS",
            r#"[{ address = "127.0.0.1:0", serves = "grpc" }, { address = "unix:/run/shop.sock", mode = 432,
                tls = { certificate_chain_file = "/there/is/none.crt", private_key_file = "none.key" } }]"#,
        ),
        ("AMBIDEX_SCHEDULER__THREADS_MAX", " 7 "),
        ("AMBIDEX_SCHEDULER__LANES", r#"[{ name = "echoes", weight = 3 }]"#),
    ]);
    check_everything(&config.unwrap());
}

#[test]
fn an_empty_variable_unsets_what_a_file_has_set() {
    let sources = ConfigSources::new().file(file("set.toml", "timeout_max_ms = 5\nsse_id_field = \"id\"\n"));
    let config = sources.variables("AMBIDEX", [("AMBIDEX_TIMEOUT_MAX_MS", ""), ("AMBIDEX_SSE_ID_FIELD", "")]);
    let config = config.load().unwrap();
    assert_eq!((config.timeout_max_ms, config.sse_id_field), (None, None));
    // What cannot be unset is not.
    let wrong = problems(from_variables([("AMBIDEX_BODY_MAX_BYTES", "")]));
    assert_eq!(wrong.len(), 1, "{wrong:?}");
}

#[test]
fn everything_that_is_wrong_is_said_at_once_with_its_place() {
    let text = r#"body_max_byte = 1
threads_max = 9
nonsense = true
timeout_default_ms = "5s"
in_flight_max = -1

[scheduler]
queue_max = 0
lanes = [{ name = "a", weight = 0 }, { weight = 2 }, { name = 7 }]

[methods."parity.v1.Parity/Echo"]
criticality = "urgent"
timeout = 5
"#;
    let variables = [
        ("AMBIDEX_BODY_MAX_BITES", "1"),
        ("AMBIDEX_JSON_OUT__PRETY", "1"),
        ("AMBIDEX_JSON_IN__MAX_DEPTH", "257"),
        ("AMBIDEX_HEADERS_MAX_BYTES", "4294967296"),
        ("AMBIDEX_COMPRESS_REPLIES", "yes"),
        ("AMBIDEX_COMPRESS_REPLIES__X", "yes"),
    ];
    let wrong =
        problems(ConfigSources::new().file(file("wrong.toml", text)).variables("AMBIDEX", variables).load());
    let mut sorted = wrong.clone();
    sorted.sort();
    let largest = u64::MAX;
    let mut expected = vec![
        "wrong.toml:1: there is no setting body_max_byte; did you mean body_max_bytes?".to_owned(),
        "wrong.toml:2: there is no setting threads_max; did you mean scheduler.threads_max?".to_owned(),
        "wrong.toml:3: there is no setting nonsense".to_owned(),
        format!("wrong.toml:4: timeout_default_ms should be a whole number from 0 to {largest}, not \"5s\""),
        format!("wrong.toml:5: in_flight_max should be a whole number from 0 to {largest}, not -1"),
        "wrong.toml:8: scheduler.queue_max should be 1 or more, not 0".to_owned(),
        "wrong.toml:9: scheduler.lanes.0.weight should be 1 or more, not 0".to_owned(),
        "wrong.toml:9: scheduler.lanes.1 has no name, which it needs".to_owned(),
        "wrong.toml:9: scheduler.lanes.1.name should be text in quotes, not 7".to_owned(),
        "wrong.toml:12: methods.parity.v1.Parity/Echo.criticality should be one of sheddable, default, critical, not \
         \"urgent\""
            .to_owned(),
        "wrong.toml:13: there is no setting methods.parity.v1.Parity/Echo.timeout; did you mean \
         methods.parity.v1.Parity/Echo.timeout_ms?"
            .to_owned(),
        "AMBIDEX_BODY_MAX_BITES: there is no setting body_max_bites; did you mean AMBIDEX_BODY_MAX_BYTES?".to_owned(),
        "AMBIDEX_JSON_OUT__PRETY: there is no setting json_out.prety; did you mean AMBIDEX_JSON_OUT__PRETTY?"
            .to_owned(),
        "AMBIDEX_JSON_IN__MAX_DEPTH: json_in.max_depth should be from 1 to 256, not 257".to_owned(),
        "AMBIDEX_HEADERS_MAX_BYTES: headers_max_bytes should be a whole number from 0 to 4294967295, not \
         \"4294967296\""
            .to_owned(),
        "AMBIDEX_COMPRESS_REPLIES__X: compress_replies should be true or false, not a table".to_owned(),
    ];
    expected.sort();
    assert_eq!(sorted, expected);
    assert_eq!(wrong.iter().filter(|problem| problem.contains("urgent")).count(), 1);
}

#[test]
fn an_error_says_what_and_where_in_one_text_and_in_parts() {
    let error = from_variables([("AMBIDEX_BODY_MAX_BYTES", "4 MB")]).unwrap_err();
    let expected = format!("should be a whole number from 0 to {}, not \"4 MB\"", u64::MAX);
    assert_eq!(
        error.to_string(),
        format!("the settings cannot be used\n  AMBIDEX_BODY_MAX_BYTES: body_max_bytes {expected}")
    );
    let [problem] = error.problems() else { panic!("{error}") };
    assert_eq!((problem.setting(), problem.place()), ("body_max_bytes", "AMBIDEX_BODY_MAX_BYTES"));
    let error: ambidex::Error = error.into();
    assert!(error.to_string().contains("4 MB"));
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let wrong = problems(ConfigSources::new().file("/there/is/no/such/file.toml").load());
    assert!(wrong[0].starts_with("/there/is/no/such/file.toml: cannot be read"), "{wrong:?}");
    let wrong = problems(from_toml("settings.ini", "body_max_bytes = 1"));
    assert_eq!(
        wrong,
        ["settings.ini: what it is written in is not known; let it end with .toml, .yaml or .yml"]
    );
    let wrong = problems(from_toml("broken.toml", "body_max_bytes = 1\nbody_max_bytes = 2\nx = = 3\n"));
    assert!(wrong.iter().any(|problem| problem.starts_with("broken.toml:2: ")), "{wrong:?}");
    assert!(wrong.iter().any(|problem| problem.starts_with("broken.toml:3: ")), "{wrong:?}");
}

#[test]
fn what_is_printed_can_be_read_again_and_is_the_same() {
    let config = from_toml("everything-again.toml", EVERYTHING).unwrap();
    let printed = config.effective().to_string();
    let place = format!("{}/everything-again.toml", env!("CARGO_TARGET_TMPDIR"));
    for line in [
        "# timeout_default_ms is not set # default".to_owned(),
        "# json_in.max_string_bytes has no limit # default".to_owned(),
        format!("json_out.emit_unset_fields = true # {place}:7"),
        format!(
            "methods.\"parity.v1.Parity/Echo\" = {{ criticality = \"sheddable\", lane = \"echoes\" }} # {place}:13, \
             {place}:14"
        ),
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{line}\n{printed}");
    }
    let again = from_toml("printed.toml", &printed).unwrap();
    check_everything(&again);
    let values = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.rsplit_once(" # ").unwrap().0.to_owned()).collect()
    };
    assert_eq!(values(&again.effective().to_string()), values(&printed));
    // Of the default, too: no setting is printed in a way that cannot be read.
    let default = Config::default().effective().to_string();
    let again = from_toml("default.toml", &default).unwrap();
    assert_eq!(values(&again.effective().to_string()), values(&default));
}

#[tokio::test]
async fn what_was_loaded_holds() {
    let config = ConfigSources::new()
        .file(file("small.toml", "[methods.\"parity.v1.Parity/Echo\"]\ntimeout_ms = 50\n"))
        .variables("SHOP", [("SHOP_BODY_MAX_BYTES", "100")])
        .load()
        .unwrap();
    let server = start(parity_builder().config(config)).await;
    let answer = server.http.post("/v1/echo", format!(r#"{{"text": "{}"}}"#, "x".repeat(100))).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let answer = server.http.post("/v1/echo", r#"{"plan": {"sleepMs": 60000}}"#).await;
    assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT);
    // A name that nobody has is found once the services are known.
    let config = from_toml("nobody.toml", "[methods.\"parity.v1.Nobody\"]\ntimeout_ms = 50\n").unwrap();
    let error = parity_builder().config(config).local().expect_err("nobody has that name");
    assert!(error.to_string().contains("parity.v1.Nobody"), "{error}");
}

#[tokio::test]
async fn a_server_listens_where_its_settings_say() {
    let settings = [("AMBIDEX_LISTENERS", r#"[{ address = "127.0.0.1:0", serves = "http" }]"#)];
    let builder = parity_builder().config(from_variables(settings).unwrap());
    let server = crate::support::running::run(builder.bind_all().await.unwrap());
    let answer = server.http.post("/v1/echo", r#"{"text": "hi"}"#).await;
    assert_eq!((answer.status, &answer.json()["text"]), (StatusCode::OK, &"hi".into()));
    let missing = r#"[{ address = "127.0.0.1:0", tls = { certificate_chain_file = "/no/such.crt",
        private_key_file = "/no/such.key" } }]"#;
    let config = from_variables([("AMBIDEX_LISTENERS", missing)]).unwrap();
    let error = parity_builder().config(config).bind_all().await.expect_err("there is no such file");
    assert!(error.to_string().contains("/no/such.crt"), "{error}");
    let wrong = [("AMBIDEX_LISTENERS", r#"[{ address = "127.0.0.1:0", serves = "soap" }]"#)];
    assert!(problems(from_variables(wrong))[0].contains("soap"));
}

/// Runs one of the ignored tests below in a process whose environment is ours to choose.
pub fn child(test: &str, variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    // What is set around the tests is not for the server of this one.
    let around = std::env::vars_os().map(|(name, _)| name);
    around.filter(|name| name.to_string_lossy().starts_with("AMBIDEX_")).for_each(|name| {
        command.env_remove(name);
    });
    command.args(["--exact", test, "--ignored", "--nocapture"]).envs(variables.iter().copied());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_environment_of_the_process_is_read_and_the_settings_printed_on_request() {
    let test = "configuration::child_that_serves";
    let printed = child(test, &[("AMBIDEX_PRINT_CONFIG", "1"), ("AMBIDEX_DRAIN_QUIET_MS", "7")]);
    assert!(printed.contains("drain_quiet_ms = 7 # AMBIDEX_DRAIN_QUIET_MS\n"), "{printed}");
    assert!(printed.contains("print_config = true # AMBIDEX_PRINT_CONFIG\n"), "{printed}");
    let silent = child(test, &[("AMBIDEX_DRAIN_QUIET_MS", "7")]);
    assert!(!silent.contains("drain_quiet_ms"), "{silent}");
    let wrong = child(test, &[("AMBIDEX_DRAIN_QIUET_MS", "7")]);
    assert!(wrong.contains("did you mean AMBIDEX_DRAIN_QUIET_MS?"), "{wrong}");
}

#[tokio::test]
#[ignore = "runs in a process of its own"]
async fn child_that_serves() {
    match Config::from_environment() {
        Ok(config) => drop(parity_builder().config(config).bind("127.0.0.1:0").await.unwrap()),
        Err(error) => eprintln!("{error}"),
    }
}
