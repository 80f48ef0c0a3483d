//! `docs/streams.md` shows what is: each of its commands is understood, sent by a client that is not curl, and its answer
//! compared with the one that is shown, in which `…` stands for whatever is the shop's own business.

use std::collections::{BTreeSet, VecDeque};

use axum::body::{Body, Bytes};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use tokio_tungstenite::tungstenite::{Error, Message};

use ambidex::Server;
use http_client::HttpClient;

use crate::bookshop::v1::BookshopServer;
use crate::seed;
use crate::shop::Shop;
use crate::store::Store;
use crate::store::scratch::Scratch;

#[path = "../../tests/support/http_client.rs"]
#[allow(dead_code, reason = "the tests of the library need more of it")]
mod http_client;

/// The address that the page has.
const SHOWN: &str = "localhost:8080";

/// What a command of the page asks for.
#[derive(Debug, Default)]
struct Asked {
    method: Option<Method>,
    target: String,
    headers: Vec<(String, String)>,
    /// The body; of a conversation one piece after another.
    pieces: VecDeque<Vec<u8>>,
    http2: bool,
    shows_head: bool,
    /// `cat -v` is behind it.
    shows_bytes: bool,
}

/// Words as a shell parts them, as far as the page goes: by spaces, but for what is in single quotes.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for letter in command.chars() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' | '\n' if !quoted => {
                words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()))
            }
            other => word.push(other),
        }
    }
    assert!(!quoted, "a quote is not closed: {command}");
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

/// The bytes that `printf` makes of a format and its arguments: octal escapes, `\n` and `%s`.
fn printed(format: &str, mut arguments: impl Iterator<Item = String>) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), format);
    while let Some(letter) = rest.chars().next() {
        if let Some(behind) = rest.strip_prefix("%s") {
            out.extend(arguments.next().expect("an argument for each %s").bytes());
            rest = behind;
        } else if let Some(behind) = rest.strip_prefix("\\n") {
            out.push(b'\n');
            rest = behind;
        } else if let Some(behind) = rest.strip_prefix('\\') {
            let digits = behind.bytes().take(3).take_while(|byte| (b'0'..b'8').contains(byte)).count();
            out.push(u8::from_str_radix(&behind[..digits], 8).expect("an octal escape"));
            rest = &behind[digits..];
        } else {
            out.extend(letter.to_string().bytes());
            rest = &rest[letter.len_utf8()..];
        }
    }
    out
}

/// What is written into the pipe before curl.
fn written(producer: &str) -> VecDeque<Vec<u8>> {
    if let Some(inside) = producer.strip_prefix('(') {
        let lines = inside.trim_end_matches(')').split(';').map(words).filter(|words| words[0] == "echo");
        return lines.map(|words| format!("{}\n", words[1]).into_bytes()).collect();
    }
    let mut words = words(producer).into_iter();
    assert_eq!(words.next().as_deref(), Some("printf"), "{producer}");
    let format = words.next().expect("a format");
    let arguments: Vec<_> = words.collect();
    // A format is used again for as long as there are arguments.
    let each = format.matches("%s").count();
    VecDeque::from([arguments.chunks(each).flat_map(|part| printed(&format, part.iter().cloned())).collect()])
}

impl Asked {
    fn read(command: &str) -> Self {
        let mut asked = Self::default();
        let mut piped = VecDeque::new();
        for part in command.split(" |") {
            let part = part.trim();
            if part == "cat -v" {
                asked.shows_bytes = true;
            } else if part.starts_with("curl ") {
                asked.read_curl(&words(part)[1..], &mut piped);
            } else {
                piped = written(part);
            }
        }
        assert!(piped.is_empty(), "nobody reads the pipe: {command}");
        asked
    }

    fn read_curl(&mut self, arguments: &[String], piped: &mut VecDeque<Vec<u8>>) {
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().expect("a value").clone();
            match argument.as_str() {
                "-i" => self.shows_head = true,
                "-N" => {}
                "-iN" => self.shows_head = true,
                "-I" => (self.shows_head, self.method) = (true, Some(Method::HEAD)),
                "-X" => self.method = Some(value().parse().expect("a method")),
                "-H" => {
                    let header = value();
                    let (name, value) = header.split_once(": ").expect("a name and a value");
                    self.headers.push((name.to_owned(), value.to_owned()));
                }
                "-d" => self.pieces.push_back(value().into_bytes()),
                "--json" => {
                    self.headers.push(("content-type".into(), "application/json".into()));
                    self.headers.push(("accept".into(), "application/json".into()));
                    self.pieces.push_back(value().into_bytes());
                }
                "--data-binary" | "-T" => {
                    assert!(["@-", "-"].contains(&&*value()), "the body comes from the pipe");
                    self.pieces = std::mem::take(piped);
                }
                "--http2-prior-knowledge" => self.http2 = true,
                target => self.target = target.strip_prefix(SHOWN).expect("the shop's address").to_owned(),
            }
        }
    }

    /// What the command shows.
    async fn shown(mut self, http: &HttpClient) -> String {
        let http = if self.http2 { http.http2() } else { http.clone() };
        let by_body = if self.pieces.is_empty() { Method::GET } else { Method::POST };
        let method = self.method.clone().unwrap_or(by_body);
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let (head, body) = if self.pieces.len() <= 1 {
            let body = self.pieces.pop_front().unwrap_or_default();
            let answer = http.send(method, &self.target, &headers, body).await;
            ((answer.status, answer.headers), answer.body.to_vec())
        } else {
            converse(&http, method, &self.target, &headers, self.pieces).await
        };
        let body =
            if self.shows_bytes { made_visible(&body) } else { String::from_utf8(body).expect("UTF-8") };
        if self.shows_head { format!("{}{body}", shown_head(self.http2, head)) } else { body }
    }
}

/// Sends each piece when there is an answer to the one before.
async fn converse(
    http: &HttpClient,
    method: Method,
    target: &str,
    headers: &[(&str, &str)],
    mut pieces: VecDeque<Vec<u8>>,
) -> ((StatusCode, HeaderMap), Vec<u8>) {
    let (send, receive) = tokio::sync::mpsc::unbounded_channel::<Result<Bytes, std::io::Error>>();
    let mut send = Some(send);
    let mut go_on = || match (pieces.pop_front(), &send) {
        // Who has answered for the last time reads no more, and that is no error.
        (Some(piece), Some(send)) => drop(send.send(Ok(piece.into()))),
        _ => send = None,
    };
    go_on();
    let requests = tokio_stream::wrappers::UnboundedReceiverStream::new(receive);
    let answer = http.begin(method, target, headers, Body::from_stream(requests)).await;
    let (head, mut body) = answer.into_parts();
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        read.extend(frame.expect("a frame").into_data().unwrap_or_default());
        go_on();
    }
    ((head.status, head.headers), read)
}

fn shown_head(http2: bool, (status, headers): (StatusCode, HeaderMap)) -> String {
    let version = if http2 { "HTTP/2" } else { "HTTP/1.1" };
    let reason =
        if http2 { String::new() } else { format!(" {}", status.canonical_reason().unwrap_or_default()) };
    let mut head = format!("{version} {}{reason}\n", status.as_u16());
    for (name, value) in headers.iter().filter(|(name, _)| *name != "date") {
        head.push_str(&format!("{name}: {}\n", value.to_str().expect("ASCII")));
    }
    head + "\n"
}

/// As `cat -v` shows bytes.
fn made_visible(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes {
        let low = byte & 0x7f;
        out.push_str(if *byte < 128 { "" } else { "M-" });
        match low {
            b'\n' | b'\t' if *byte < 128 => out.push(char::from(low)),
            0..32 => out.extend(['^', char::from(low + 64)]),
            127 => out.push_str("^?"),
            _ => out.push(char::from(low)),
        }
    }
    out
}

/// Whether a line is the one that is shown.
fn fits(shown: &str, line: &str) -> bool {
    let mut parts = shown.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let parts: Vec<_> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        let Some(found) = rest.find(part) else { return false };
        rest = &rest[found + part.len()..];
    }
    rest.ends_with(last)
}

/// What is to be said where an answer is another than the one that is shown.
fn difference(command: &str, shown: &str, real: &str) -> Option<String> {
    let (shown, real): (Vec<_>, Vec<_>) =
        (shown.trim_end().lines().collect(), real.trim_end().lines().collect());
    let same = shown.len() == real.len() && shown.iter().zip(&real).all(|(shown, line)| fits(shown, line));
    let text = || {
        format!(
            "{command}\n\nis answered with\n\n{}\n\nand not with\n\n{}",
            real.join("\n"),
            shown.join("\n")
        )
    };
    (!same).then(text)
}

/// The blocks of a language.
fn blocks<'p>(page: &'p str, language: &str) -> Vec<&'p str> {
    let fence = format!("\n```{language}\n");
    page.split(&*fence).skip(1).map(|rest| rest.split("\n```").next().expect("an end")).collect()
}

/// The commands of a block, each with what it shows. A command goes on behind a line that ends in `|`.
fn commands(block: &str) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    let mut goes_on = false;
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            commands.push((command.to_owned(), String::new()));
        } else {
            let (command, shown) = commands.last_mut().expect("a block begins with a command");
            let part = if goes_on { command } else { shown };
            part.push_str(if goes_on { "\n" } else { "" });
            part.push_str(line);
            part.push_str(if goes_on { "" } else { "\n" });
            goes_on = goes_on && line.ends_with('|');
            continue;
        }
        goes_on = line.ends_with('|');
    }
    commands
}

/// Goes through the lines of a conversation over a WebSocket, up to the first that is another.
async fn talk(address: &str, block: &str) -> Option<String> {
    let mut lines = block.lines();
    let opened = lines.next().and_then(|line| line.strip_prefix("open ")).expect("it is opened first");
    let mut socket = match tokio_tungstenite::connect_async(opened.replace(SHOWN, address)).await {
        Ok((socket, _)) => socket,
        Err(Error::Http(answer)) => {
            let refused = format!("refused {}", answer.status().as_u16());
            return difference(block, lines.next().unwrap_or_default(), &refused);
        }
        Err(other) => panic!("{other}: {block}"),
    };
    for line in lines {
        if let Some(text) = line.strip_prefix('>') {
            socket.send(Message::text(text.trim_start())).await.expect("sent");
            continue;
        }
        let frame = socket.next().await.expect("a frame").expect("a frame");
        let differs = match (line.strip_prefix("< "), frame) {
            (Some(shown), Message::Text(text)) => difference(block, shown, &text),
            (None, Message::Close(Some(frame))) => {
                difference(block, line, &format!("close {} {}", u16::from(frame.code), frame.reason))
            }
            (_, other) => difference(block, line, &format!("{other:?}")),
        };
        if differs.is_some() {
            return differs;
        }
    }
    None
}

#[tokio::test]
async fn every_transcript_is_what_the_server_answers() {
    let page = include_str!("../../docs/streams.md");
    let scratch = Scratch::new();
    let store = Store::open(scratch.path(), seed::furnish).expect("a database");
    let shop = BookshopServer::new(Shop::new(store));
    let server = Server::builder().service(shop).bind("127.0.0.1:0").await.expect("a port");
    let address = server.address();
    tokio::spawn(server.serve_until(std::future::pending()));
    let http = HttpClient::new(address);

    let (mut answers, mut wrong) = (BTreeSet::new(), Vec::new());
    for (command, shown) in blocks(page, "console").into_iter().flat_map(commands) {
        let real = Asked::read(&command).shown(&http).await;
        wrong.extend(difference(&command, &shown, &real));
        answers.extend(real.lines().find(|line| line.starts_with("content-type: ")).map(str::to_owned));
    }
    for form in ["application/x-ndjson", "application/json", "text/event-stream", "application/connect+json"]
    {
        assert!(answers.contains(&format!("content-type: {form}")), "{form} is shown: {answers:?}");
    }
    let conversations = blocks(page, "websocket");
    assert!(conversations.len() >= 4, "one that ends well, and each way to end otherwise");
    for conversation in conversations {
        wrong.extend(talk(&address.to_string(), conversation).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
