//! Which certificate a client is shown that asks for a name, and whose own is not good any more.

use std::net::SocketAddr;
use std::path::PathBuf;

use ambidex::server::{CertificateConfig, Config, Listener, ListenerConfig, Tls, TlsConfig};

use crate::support::certificates::{Authority, Client, Shown, gets_through, shown_by_server};
use crate::support::folder::Folder;
use crate::support::running::{Running, parity_builder, run};

const HTTP1: &[&str] = &["http/1.1"];

async fn serve(tls: Tls) -> Running {
    run(parity_builder().bind(Listener::at("127.0.0.1:0").tls(tls)).await.expect("a port"))
}

/// The paths of a chain and its key.
fn files_of(folder: &Folder, name: &str, shown: &Shown) -> [PathBuf; 2] {
    let chain = folder.write(&format!("{name}.crt"), &shown.chain);
    [chain, folder.write(&format!("{name}.key"), &shown.key)]
}

async fn shown_for(client: &Client, address: SocketAddr, name: &str) -> Vec<u8> {
    shown_by_server(&client.dial_as(address, name).await.unwrap())
}

#[tokio::test]
async fn a_client_is_shown_the_certificate_of_the_name_it_asks_for() {
    let authority = Authority::new("ours");
    let (first, shop) = (authority.server(), authority.server_of(&["shop.example", "*.shop.example"]));
    let late = authority.server_of(&["shop.example", "late.example"]);
    let files = Folder::new("names");
    let [chain, key] = files_of(&files, "first", &first);
    let mut tls = TlsConfig::new(chain, key);
    for (name, shown) in [("shop", &shop), ("late", &late)] {
        let [chain, key] = files_of(&files, name, shown);
        tls.more_certificates.push(CertificateConfig::new(chain, key));
    }
    let mut listener = ListenerConfig::at("127.0.0.1:0");
    listener.tls = Some(tls);
    let mut config = Config::default();
    config.listeners.push(listener);
    config.tls_reload_interval_ms = 10;
    let server = run(parity_builder().config(config).bind_all().await.expect("a port"));
    let client = authority.trusted_by(None, HTTP1);
    assert_eq!(shown_for(&client, server.address, "localhost").await, first.der());
    assert_eq!(shown_for(&client, server.address, "shop.example").await, shop.der(), "the earlier of two");
    assert_eq!(shown_for(&client, server.address, "books.shop.example").await, shop.der());
    assert_eq!(shown_for(&client, server.address, "late.example").await, late.der());
    for nobody in ["elsewhere.example", "a.b.shop.example"] {
        client.dial_as(server.address, nobody).await.expect_err("the first is not for that name");
    }
    assert!(gets_through(&client, server.address).await);
    // One that is renewed.
    let renewed = authority.server_of(&["shop.example"]);
    files_of(&files, "shop", &renewed);
    let seen = async {
        while shown_for(&client, server.address, "shop.example").await != renewed.der() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), seen).await.expect("it is picked up");
}

#[tokio::test]
async fn a_certificate_for_no_name_is_an_error_at_start_up() {
    let authority = Authority::new("ours");
    let (first, nameless) = (authority.server(), authority.server_of(&[]));
    let tls = Tls::from_pem(&first.chain, &first.key).more_pem(&nameless.chain, &nameless.key).load();
    let error = tls.expect_err("nobody is shown it").to_string();
    assert!(error.contains("subjectAltName"), "{error}");
    let mixed = Tls::from_pem(&first.chain, &first.key).more_pem(&first.chain, &nameless.key).load();
    assert!(mixed.expect_err("another's key").to_string().contains("the private key"));
}

#[tokio::test]
async fn who_is_revoked_is_not_let_in() {
    let (authority, clients) = (Authority::new("ours"), Authority::new("clients"));
    let shown = authority.server();
    let files = Folder::new("revoked");
    let list = files.write("list", &clients.revokes(&[2]));
    let builder = Tls::from_pem(&shown.chain, &shown.key).client_ca_pem(clients.pem());
    let tls = builder.client_crl_file(list).load().unwrap();
    let server = serve(tls.clone()).await;
    let [alice, bob] = [("alice", 1), ("bob", 2)]
        .map(|(name, number)| authority.trusted_by(Some(&clients.client_with_number(name, number)), HTTP1));
    assert!(gets_through(&alice, server.address).await);
    assert!(!gets_through(&bob, server.address).await);
    // A list that is broken changes nothing; the next one does.
    files.write("list", "garbage");
    assert!(tls.reload().expect_err("no list").to_string().contains("X509 CRL"));
    assert!(gets_through(&alice, server.address).await);
    files.write("list", &clients.revokes(&[1]));
    tls.reload().unwrap();
    assert!(!gets_through(&alice, server.address).await);
    assert!(gets_through(&bob, server.address).await);
}

#[tokio::test]
async fn who_cannot_be_looked_up_is_not_let_in() {
    let (authority, clients, others) =
        (Authority::new("ours"), Authority::new("clients"), Authority::new("others"));
    let shown = authority.server();
    let alice = authority.trusted_by(Some(&clients.client_with_number("alice", 1)), HTTP1);
    let builder = || {
        let both = [clients.pem(), others.pem()].concat();
        Tls::from_pem(&shown.chain, &shown.key).client_ca_pem(both)
    };
    let of_others = serve(builder().client_crl_pem(others.revokes(&[1])).load().unwrap()).await;
    assert!(!gets_through(&alice, of_others.address).await);
    let of_both = builder().client_crl_pem(others.revokes(&[1])).client_crl_pem(clients.revokes(&[]));
    let of_both = serve(of_both.load().unwrap()).await;
    assert!(gets_through(&alice, of_both.address).await, "another authority's number 1 is another");
    let nobodys = Tls::from_pem(&shown.chain, &shown.key).client_crl_pem(clients.revokes(&[])).load();
    assert!(nobodys.expect_err("nobody shows a certificate").to_string().contains("client_ca_file"));
}
