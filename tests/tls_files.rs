//! Files of TLS that change while the server runs: the authorities of clients, their revocation lists, and folders whose
//! links are turned to others, as Kubernetes does with its secrets.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ambidex::server::{Config, Listener, ListenerConfig, Tls, TlsConfig};

use crate::support::certificates::{Authority, Client, Shown, gets_through, grpc_over};
use crate::support::dialed::Peers;
use crate::support::folder::Folder;
use crate::support::parity_v1::EchoRequest;
use crate::support::running::{Running, parity_builder, run};

const HTTP1: &[&str] = &["http/1.1"];
const H2: &[&str] = &["h2"];

/// A server whose files are looked at all the time.
async fn serve(tls: Tls, peers: &Peers) -> Running {
    let mut config = Config::default();
    config.tls_reload_interval_ms = 10;
    let builder = parity_builder().config(config).interceptor(peers.interceptor());
    run(builder.bind(Listener::at("127.0.0.1:0").tls(tls)).await.expect("a port"))
}

/// The same, put together from settings.
async fn serve_configured(tls: TlsConfig, peers: &Peers) -> Running {
    let mut config = Config::default();
    config.tls_reload_interval_ms = 10;
    let mut listener = ListenerConfig::at("127.0.0.1:0");
    listener.tls = Some(tls);
    config.listeners.push(listener);
    let builder = parity_builder().config(config).interceptor(peers.interceptor());
    run(builder.bind_all().await.expect("a port"))
}

/// The files of a server and of the authorities of its clients.
struct Files {
    folder: Folder,
    chain: PathBuf,
    key: PathBuf,
    authorities: PathBuf,
}

impl Files {
    fn new(name: &str, shown: &Shown, authorities: &[&Authority]) -> Self {
        let folder = Folder::new(name);
        let (chain, key) = (folder.write("tls.crt", &shown.chain), folder.write("tls.key", &shown.key));
        let authorities = folder.write("ca.crt", &pem(authorities));
        Self { folder, chain, key, authorities }
    }

    fn trust(&self, authorities: &[&Authority]) {
        self.folder.write("ca.crt", &pem(authorities));
    }

    fn load(&self) -> Tls {
        Tls::from_files(&self.chain, &self.key).client_ca_file(&self.authorities).load().unwrap()
    }

    fn config(&self) -> TlsConfig {
        let mut config = TlsConfig::new(&self.chain, &self.key);
        config.client_ca_file = Some(self.authorities.clone());
        config
    }
}

fn pem(authorities: &[&Authority]) -> String {
    authorities.iter().map(|authority| authority.pem()).collect()
}

fn hi() -> EchoRequest {
    EchoRequest { text: "hi".to_owned(), ..EchoRequest::default() }
}

/// Waits until a client that connects now is let in, or is not.
async fn until_lets_in(client: &Client, address: SocketAddr, is_let_in: bool) {
    let seen = async {
        while gets_through(client, address).await != is_let_in {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), seen).await.expect("the change is picked up");
}

#[tokio::test]
async fn the_authorities_of_clients_come_from_a_file() {
    let (ours, clients, stranger) =
        (Authority::new("ours"), Authority::new("clients"), Authority::new("a stranger"));
    let files = Files::new("authorities", &ours.server(), &[&clients]);
    let peers = Peers::default();
    let servers = [serve(files.load(), &peers).await, serve_configured(files.config(), &peers).await];
    for server in servers {
        let alice = clients.client("alice");
        assert!(gets_through(&ours.trusted_by(Some(&alice), HTTP1), server.address).await);
        assert_eq!(peers.last().identity.unwrap().common_name.as_deref(), Some("alice"));
        let over_grpc = grpc_over(&ours.trusted_by(Some(&alice), H2), server.address).await.unwrap();
        over_grpc.echo(hi()).await.unwrap();
        assert_eq!(peers.last().identity.unwrap().spiffe_id(), Some("spiffe://shop.example/alice"));
        let impostor = stranger.client("alice");
        for shown in [None, Some(&impostor)] {
            assert!(!gets_through(&ours.trusted_by(shown, HTTP1), server.address).await);
            if let Ok(client) = grpc_over(&ours.trusted_by(shown, H2), server.address).await {
                client.echo(hi()).await.expect_err("nor over gRPC");
            }
        }
    }
}

#[tokio::test]
async fn authorities_that_cannot_be_read_are_an_error_at_start_up() {
    let ours = Authority::new("ours");
    let files = Files::new("no-authorities", &ours.server(), &[]);
    let load = || Tls::from_files(&files.chain, &files.key).client_ca_file(&files.authorities).load();
    let error = load().expect_err("it is empty").to_string();
    assert!(error.contains("the authorities of clients in ") && error.contains("no certificate"), "{error}");
    std::fs::remove_file(&files.authorities).unwrap();
    let error = load().expect_err("it is gone").to_string();
    assert!(error.contains(&files.authorities.display().to_string()), "{error}");
    let mut config = Config::default();
    let mut listener = ListenerConfig::at("127.0.0.1:0");
    listener.tls = Some(files.config());
    config.listeners.push(listener);
    let error = parity_builder().config(config).bind_all().await.expect_err("it is gone").to_string();
    assert!(error.contains(&files.authorities.display().to_string()), "{error}");
}

/// Calls on connections that are new each time, and on one that was there before, while it lives.
struct Load {
    over: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    failed: Arc<AtomicUsize>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn new() -> Self {
        Self { over: Arc::default(), calls: Arc::default(), failed: Arc::default(), tasks: Vec::new() }
    }

    fn add(&mut self, client: &Client, address: SocketAddr, keeps: bool) {
        let (client, over) = (client.clone(), Arc::clone(&self.over));
        let (calls, failed) = (Arc::clone(&self.calls), Arc::clone(&self.failed));
        self.tasks.push(tokio::spawn(async move {
            let mut kept = None;
            while !over.load(Ordering::Relaxed) {
                if kept.is_none() || !keeps {
                    kept = grpc_over(&client, address).await.ok();
                }
                let answered = match &kept {
                    Some(client) => client.echo(hi()).await.is_ok(),
                    None => false,
                };
                if answered { &calls } else { &failed }.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }

    /// Waits for some calls more.
    async fn goes_on(&self) {
        let before = self.calls.load(Ordering::Relaxed);
        while self.calls.load(Ordering::Relaxed) < before + 10 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn ends(self) -> (usize, usize) {
        self.over.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        (self.calls.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authorities_change_under_load_and_who_is_still_trusted_notices_nothing() {
    let (ours, steady) = (Authority::new("ours"), Authority::new("steady"));
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let files = Files::new("rotation", &ours.server(), &[&steady, &old]);
    let server = serve(files.load(), &Peers::default()).await;
    let of = |authority: &Authority, alpn| ours.trusted_by(Some(&authority.client("alice")), alpn);
    let (old_client, new_client) = (of(&old, HTTP1), of(&new, HTTP1));
    let mut load = Load::new();
    load.add(&of(&steady, H2), server.address, false);
    // Whose authority goes keeps the connection it has.
    load.add(&of(&old, H2), server.address, true);
    load.goes_on().await;
    for (trusted, is_in, is_out) in
        [(&new, &new_client, &old_client), (&old, &old_client, &new_client), (&new, &new_client, &old_client)]
    {
        assert!(!gets_through(is_in, server.address).await, "its authority is not there yet");
        files.trust(&[&steady, trusted]);
        until_lets_in(is_in, server.address, true).await;
        assert!(!gets_through(is_out, server.address).await, "its authority is gone");
        load.goes_on().await;
    }
    let (calls, failed) = load.ends().await;
    assert_eq!(failed, 0, "of {calls}");
}

#[tokio::test]
async fn a_broken_file_of_authorities_changes_nothing() {
    let (ours, clients, next) = (Authority::new("ours"), Authority::new("clients"), Authority::new("next"));
    let files = Files::new("broken-authorities", &ours.server(), &[&clients]);
    let tls = files.load();
    let server = serve(tls.clone(), &Peers::default()).await;
    let alice = ours.trusted_by(Some(&clients.client("alice")), HTTP1);
    let bob = ours.trusted_by(Some(&next.client("bob")), HTTP1);
    let half = &next.pem()[..next.pem().len() / 2];
    for broken in ["", "garbage", half, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        files.folder.write("ca.crt", broken);
        let error = tls.reload().expect_err(broken).to_string();
        assert!(error.contains("the authorities of clients in "), "{error}");
        // The server looks by itself meanwhile, too.
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(gets_through(&alice, server.address).await, "{broken}");
        assert!(!gets_through(&bob, server.address).await, "{broken}");
        assert!(!gets_through(&ours.trusted_by(None, HTTP1), server.address).await, "{broken}");
    }
    std::fs::remove_file(&files.authorities).unwrap();
    tls.reload().expect_err("it is gone");
    assert!(gets_through(&alice, server.address).await);
    files.trust(&[&next]);
    until_lets_in(&bob, server.address, true).await;
    assert!(!gets_through(&alice, server.address).await);
}

#[tokio::test]
async fn a_revocation_list_that_changes_is_picked_up() {
    let (ours, clients) = (Authority::new("ours"), Authority::new("clients"));
    let files = Files::new("lists", &ours.server(), &[&clients]);
    let list = files.folder.write("list", &clients.revokes(&[]));
    let of_builder =
        Tls::from_files(&files.chain, &files.key).client_ca_file(&files.authorities).client_crl_file(&list);
    let mut of_config = files.config();
    of_config.client_crl_files = vec![list];
    let peers = Peers::default();
    let servers =
        [serve(of_builder.load().unwrap(), &peers).await, serve_configured(of_config, &peers).await];
    let [alice, bob] = [("alice", 1), ("bob", 2)]
        .map(|(name, number)| ours.trusted_by(Some(&clients.client_with_number(name, number)), HTTP1));
    for revoked in [2, 1, 2] {
        files.folder.write("list", &clients.revokes(&[revoked]));
        let (is_out, is_in) = if revoked == 1 { (&alice, &bob) } else { (&bob, &alice) };
        for server in &servers {
            until_lets_in(is_out, server.address, false).await;
            assert!(gets_through(is_in, server.address).await);
        }
    }
    // One that is broken revokes nobody, and forgives nobody.
    files.folder.write("list", "garbage");
    tokio::time::sleep(Duration::from_millis(50)).await;
    for server in &servers {
        assert!(!gets_through(&bob, server.address).await && gets_through(&alice, server.address).await);
    }
}

/// Puts a folder of files behind links, as Kubernetes does: each file is a link through `..data`, which is a link to the
/// folder of this version, and is turned to the next by one renaming.
#[cfg(unix)]
fn turn_to(folder: &Path, version: &str, files: &[(&str, String)]) {
    use std::os::unix::fs::symlink;

    let data = folder.join("..data");
    let before = std::fs::read_link(&data).ok();
    let own = folder.join(version);
    std::fs::create_dir(&own).unwrap();
    for (name, text) in files {
        let path = own.join(name);
        // Of one length and one time, so that only the link tells that it is another file.
        std::fs::write(&path, format!("{text:<2000}\n")).unwrap();
        let time = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        let link = folder.join(name);
        if !link.exists() {
            symlink(Path::new("..data").join(name), link).unwrap();
        }
    }
    symlink(version, folder.join("..data_tmp")).unwrap();
    std::fs::rename(folder.join("..data_tmp"), data).unwrap();
    if let Some(before) = before {
        std::fs::remove_dir_all(folder.join(before)).unwrap();
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_turned_to_another_folder_is_picked_up() {
    use crate::support::certificates::shown_by_server;

    let (ours, steady) = (Authority::new("ours"), Authority::new("steady"));
    let folder = Folder::new("links");
    let mut versions = Vec::new();
    for number in 0..3 {
        let (shown, clients) = (ours.server(), Authority::new("clients"));
        let files = [
            ("tls.crt", shown.chain.clone()),
            ("tls.key", shown.key.clone()),
            ("ca.crt", pem(&[&steady, &clients])),
        ];
        versions.push((format!("..version_{number}"), files, shown, clients));
    }
    turn_to(folder.path(), &versions[0].0, &versions[0].1);
    let [chain, key, authorities] = ["tls.crt", "tls.key", "ca.crt"].map(|name| folder.path().join(name));
    let tls = Tls::from_files(chain, key).client_ca_file(authorities).load().unwrap();
    let server = serve(tls, &Peers::default()).await;
    let steady = steady.client("steady");
    let mut load = Load::new();
    load.add(&ours.trusted_by(Some(&steady), H2), server.address, false);
    load.add(&ours.trusted_by(Some(&steady), H2), server.address, true);
    for next in 1..versions.len() {
        let (version, files, shown, clients) = &versions[next];
        load.goes_on().await;
        turn_to(folder.path(), version, files);
        until_lets_in(&ours.trusted_by(Some(&clients.client("new")), HTTP1), server.address, true).await;
        let before = &versions[next - 1].3;
        let before = ours.trusted_by(Some(&before.client("old")), HTTP1);
        assert!(!gets_through(&before, server.address).await, "the authority of the version before");
        let stream = ours.trusted_by(Some(&steady), HTTP1).dial(server.address).await.unwrap();
        assert_eq!(shown_by_server(&stream), shown.der());
    }
    load.goes_on().await;
    let (calls, failed) = load.ends().await;
    assert_eq!(failed, 0, "of {calls}");
}
