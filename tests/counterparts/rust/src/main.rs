//! A rust-libp2p peer, driven by JSON lines: one request a line on standard input, one answer a
//! line on standard output, and between them what happens to it: {"event": NAME, ...}. The first
//! argument is its setup (`lines.py` writes it, `rust_peer.py` adds `services`). It ends when its
//! standard input does. What is said on the test protocol stands in `payload.py`.

use std::{
    collections::HashMap,
    error::Error,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol, Swarm, SwarmBuilder, autonat, dcutr,
    futures::{AsyncReadExt, AsyncWriteExt, StreamExt},
    identify, identity, kad,
    multiaddr::Protocol,
    noise, ping, relay,
    swarm::{
        ConnectionId, NetworkBehaviour, SwarmEvent, behaviour::toggle::Toggle, dial_opts::DialOpts,
    },
    tcp, yamux,
};
use rand::{Rng, rngs::StdRng};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    sync::oneshot,
};

const KAD: StreamProtocol = StreamProtocol::new("/kwaai/kad/1.0.0");
const PING: StreamProtocol = StreamProtocol::new("/ipfs/ping/1.0.0");
const BLOCK: usize = 64 * 1024;
const REQUEST_SECONDS: u64 = 30;

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    stream: libp2p_stream::Behaviour,
    circuit: relay::client::Behaviour,
    relay: Toggle<relay::Behaviour>,
    kad: Toggle<kad::Behaviour<kad::store::MemoryStore>>,
    autonat: Toggle<autonat::v1::Behaviour>,
    autonat_client: Toggle<autonat::v2::client::Behaviour>,
    autonat_server: Toggle<autonat::v2::server::Behaviour>,
    dcutr: Toggle<dcutr::Behaviour>,
}

/// What lines.py and rust_peer.py say about the peer to be.
struct Setup(Value);

impl Setup {
    fn texts(&self, name: &str) -> Vec<String> {
        let items = self.0[name].as_array().into_iter().flatten();
        items
            .filter_map(|item| item.as_str().map(String::from))
            .collect()
    }

    fn serves(&self, name: &str) -> bool {
        self.texts("services").iter().any(|service| service == name)
    }

    fn key(&self) -> Result<identity::Keypair, Box<dyn Error>> {
        match self.0["identity"].as_str() {
            Some(path) => Ok(identity::Keypair::from_protobuf_encoding(&std::fs::read(
                path,
            )?)?),
            None => Ok(identity::Keypair::generate_ed25519()),
        }
    }
}

fn behaviour(
    setup: &Setup,
    key: &identity::Keypair,
    circuit: relay::client::Behaviour,
) -> Behaviour {
    let me = key.public().to_peer_id();
    let on = |name| setup.serves(name).then_some(());
    let relays = setup.0["relay_service"].as_bool().unwrap_or(false);
    let unlimited = !setup.0["limited"].as_bool().unwrap_or(true);
    Behaviour {
        identify: identify::Behaviour::new(identify::Config::new(
            "ipfs/0.1.0".into(),
            key.public(),
        )),
        ping: ping::Behaviour::default(),
        stream: libp2p_stream::Behaviour::new(),
        circuit,
        relay: relays
            .then(|| relay::Behaviour::new(me, relay_config(unlimited)))
            .into(),
        kad: on("kad").map(|()| kademlia(me)).into(),
        autonat: on("autonat")
            .map(|()| autonat::v1::Behaviour::new(me, autonat_config()))
            .into(),
        autonat_client: on("autonat2")
            .map(|()| {
                let config = autonat::v2::client::Config::default();
                let soon = config.with_probe_interval(Duration::from_millis(200));
                autonat::v2::client::Behaviour::new(rand::make_rng::<StdRng>(), soon)
            })
            .into(),
        autonat_server: on("autonat2")
            .map(|()| autonat::v2::server::Behaviour::default())
            .into(),
        dcutr: on("dcutr").map(|()| dcutr::Behaviour::new(me)).into(),
    }
}

fn relay_config(unlimited: bool) -> relay::Config {
    let mut config = relay::Config::default();
    if unlimited {
        config.max_circuit_bytes = 0;
        config.max_circuit_duration = Duration::from_secs(86400);
    }
    config
}

fn kademlia(me: PeerId) -> kad::Behaviour<kad::store::MemoryStore> {
    let mut config = kad::Config::new(KAD);
    config.set_periodic_bootstrap_interval(None);
    let store = kad::store::MemoryStore::new(me);
    let mut behaviour = kad::Behaviour::with_config(me, store, config);
    behaviour.set_mode(Some(kad::Mode::Server));
    behaviour
}

/// Soon and at once sure; private addresses too, since tests run on the loopback.
fn autonat_config() -> autonat::v1::Config {
    autonat::v1::Config {
        boot_delay: Duration::from_millis(500),
        retry_interval: Duration::from_secs(2),
        throttle_server_period: Duration::from_secs(1),
        confidence_max: 1,
        only_global_ips: false,
        ..Default::default()
    }
}

/// A transfer that ended early, with the payload bytes of each direction until then.
struct Cut {
    sent: usize,
    received: usize,
    why: String,
}

async fn send(stream: &mut Stream, size: usize, sent: &mut usize) -> std::io::Result<Vec<u8>> {
    let mut block = vec![0; BLOCK];
    rand::rng().fill_bytes(&mut block);
    let mut hash = Sha256::new();
    for number in 0u64.. {
        if *sent == size {
            break;
        }
        block[..8].copy_from_slice(&number.to_be_bytes());
        let chunk = &block[..BLOCK.min(size - *sent)];
        hash.update(chunk);
        stream.write_all(chunk).await?;
        *sent += chunk.len();
    }
    Ok(hash.finalize().to_vec())
}

async fn receive(
    stream: &mut Stream,
    size: usize,
    mut count: impl FnMut(usize),
) -> std::io::Result<Vec<u8>> {
    let mut block = vec![0; BLOCK];
    let mut hash = Sha256::new();
    let mut left = size;
    while left > 0 {
        let length = stream.read(&mut block[..BLOCK.min(left)]).await?;
        if length == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        hash.update(&block[..length]);
        left -= length;
        count(length);
    }
    Ok(hash.finalize().to_vec())
}

async fn read_digest(stream: &mut Stream) -> std::io::Result<Vec<u8>> {
    let mut digest = vec![0; 32];
    stream.read_exact(&mut digest).await?;
    Ok(digest)
}

/// Whether the bytes arrived as they were sent, in both directions.
async fn transfer(stream: &mut Stream, size: usize) -> Result<bool, Cut> {
    let (mut sent, mut received) = (0, 0);
    let done = async {
        stream.write_all(&(size as u64).to_be_bytes()).await?;
        let ours = send(stream, size, &mut sent).await?;
        let claimed = read_digest(stream).await?;
        let theirs = receive(stream, size, |length| received += length).await?;
        let trailer = read_digest(stream).await?;
        stream.close().await?;
        Ok::<bool, std::io::Error>(ours == claimed && theirs == trailer)
    }
    .await;
    done.map_err(|error| Cut {
        sent,
        received,
        why: error.to_string(),
    })
}

async fn serve(mut stream: Stream, served: Served) -> std::io::Result<()> {
    let index = {
        let mut counts = served.lock().unwrap();
        counts.push(0);
        counts.len() - 1
    };
    let mut header = [0; 8];
    stream.read_exact(&mut header).await?;
    let size = u64::from_be_bytes(header) as usize;
    let digest = receive(&mut stream, size, |length| {
        served.lock().unwrap()[index] += length
    })
    .await?;
    stream.write_all(&digest).await?;
    let digest = send(&mut stream, size, &mut 0).await?;
    stream.write_all(&digest).await?;
    stream.close().await
}

/// The round trip in seconds, by libp2p's ping.
async fn round_trip(stream: &mut Stream) -> std::io::Result<f64> {
    let mut sent = [0; 32];
    rand::rng().fill_bytes(&mut sent);
    let began = Instant::now();
    stream.write_all(&sent).await?;
    let mut answer = [0; 32];
    stream.read_exact(&mut answer).await?;
    let took = began.elapsed().as_secs_f64();
    stream.close().await?;
    if answer != sent {
        return Err(std::io::Error::other("ping came back changed"));
    }
    Ok(took)
}

type Served = Arc<Mutex<Vec<usize>>>;
type Answer<T> = oneshot::Sender<Result<T, String>>;

fn say(line: Value) {
    println!("{line}");
}

/// The swarm, and the requests that wait for one of its events.
struct Peer {
    swarm: Swarm<Behaviour>,
    protocol: StreamProtocol,
    served: Served,
    dials: HashMap<ConnectionId, Answer<()>>,
    lookups: HashMap<kad::QueryId, (Answer<Value>, PeerId)>,
    connections: HashMap<ConnectionId, (PeerId, Multiaddr)>,
    listening: Vec<Multiaddr>,
    reservations: usize,
    refused: Option<String>,
}

impl Peer {
    fn listen(&mut self, addr: &str) -> Result<(), Box<dyn Error>> {
        self.swarm.listen_on(addr.parse()?)?;
        Ok(())
    }

    /// Begins what the request asks for; its answer is said here or by a task.
    fn take(&mut self, request: Value) {
        let id = request["id"].clone();
        if let Err(error) = self.begin(&request) {
            say(json!({"id": id, "error": error.to_string()}));
        }
    }

    fn begin(&mut self, request: &Value) -> Result<(), Box<dyn Error>> {
        let id = request["id"].clone();
        let addr = || {
            request["addr"]
                .as_str()
                .unwrap_or_default()
                .parse::<Multiaddr>()
        };
        let peer = || {
            request["peer"]
                .as_str()
                .unwrap_or_default()
                .parse::<PeerId>()
        };
        let ok = match request["do"].as_str().unwrap_or_default() {
            "addrs" => texts(self.addrs()),
            "served" => json!(*self.served.lock().unwrap()),
            "peers" => texts(self.swarm.connected_peers().copied()),
            "memory" => json!(resident()),
            "connections" => self.connections_to(peer()?),
            "reachability" => self.reachability(),
            "reserve" => {
                self.listen(&format!("{}/p2p-circuit", addr()?))?;
                Value::Null
            }
            "know" => self.know(addr()?)?,
            "find" => return self.find(id, peer()?),
            "connect" => return self.connect(id, addr()?),
            "ping" | "transfer" => return self.converse(request.clone(), addr()?),
            other => return Err(format!("unknown request {other:?}").into()),
        };
        say(json!({"id": id, "ok": ok}));
        Ok(())
    }

    /// What it would tell others, without its peer id.
    fn addrs(&self) -> Vec<Multiaddr> {
        let me = Protocol::P2p(*self.swarm.local_peer_id());
        let confirmed = self.swarm.external_addresses();
        let all = confirmed.chain(self.listening.iter()).cloned();
        all.map(|addr| without_end(addr, &me)).collect()
    }

    fn connections_to(&self, peer: PeerId) -> Value {
        let theirs = self
            .connections
            .values()
            .filter(|(other, _)| *other == peer);
        texts(theirs.map(|(_, addr)| addr))
    }

    fn reachability(&self) -> Value {
        match self
            .swarm
            .behaviour()
            .autonat
            .as_ref()
            .map(|autonat| autonat.nat_status())
        {
            Some(autonat::v1::NatStatus::Public(_)) => json!("public"),
            Some(autonat::v1::NatStatus::Private) => json!("private"),
            _ => json!("unknown"),
        }
    }

    /// Puts the peer that `addr` ends in into kad's routing table.
    fn know(&mut self, addr: Multiaddr) -> Result<Value, Box<dyn Error>> {
        let peer = last_peer(&addr)?;
        let kad = self
            .swarm
            .behaviour_mut()
            .kad
            .as_mut()
            .ok_or("kad is off")?;
        kad.add_address(&peer, addr);
        Ok(Value::Null)
    }

    /// Answers with the addresses of `peer` that kad's walk found, [] if it found none.
    fn find(&mut self, id: Value, peer: PeerId) -> Result<(), Box<dyn Error>> {
        let kad = self
            .swarm
            .behaviour_mut()
            .kad
            .as_mut()
            .ok_or("kad is off")?;
        let (sender, done) = oneshot::channel();
        self.lookups
            .insert(kad.get_closest_peers(peer), (sender, peer));
        tokio::spawn(async move { answer(id, in_time(done).await) });
        Ok(())
    }

    fn connect(&mut self, id: Value, addr: Multiaddr) -> Result<(), Box<dyn Error>> {
        let dialled = self.dial(addr)?;
        tokio::spawn(async move { answer(id, in_time(dialled).await.map(|()| Value::Null)) });
        Ok(())
    }

    /// Told when there is a connection to the peer that `addr` ends in.
    fn dial(
        &mut self,
        addr: Multiaddr,
    ) -> Result<oneshot::Receiver<Result<(), String>>, Box<dyn Error>> {
        let (sender, done) = oneshot::channel();
        if self.swarm.is_connected(&last_peer(&addr)?) {
            let _ = sender.send(Ok(()));
            return Ok(done);
        }
        let options = DialOpts::from(addr);
        let connection = options.connection_id();
        self.swarm.dial(options)?;
        self.dials.insert(connection, sender);
        Ok(done)
    }

    fn converse(&mut self, request: Value, addr: Multiaddr) -> Result<(), Box<dyn Error>> {
        let peer = last_peer(&addr)?;
        let dialled = self.dial(addr)?;
        let mut control = self.swarm.behaviour().stream.new_control();
        let pings = request["do"] == "ping";
        let protocol = if pings { PING } else { self.protocol.clone() };
        let size = request["size"].as_u64().unwrap_or(0) as usize;
        tokio::spawn(async move {
            let id = request["id"].clone();
            if let Err(error) = in_time(dialled).await {
                return answer(id, Err(error));
            }
            let mut stream = match control.open_stream(peer, protocol).await {
                Ok(stream) => stream,
                Err(error) => return answer(id, Err(error.to_string())),
            };
            if pings {
                let took = round_trip(&mut stream).await;
                return answer(id, took.map(Value::from).map_err(|error| error.to_string()));
            }
            match transfer(&mut stream, size).await {
                Ok(whole) => answer(id, Ok(json!({"damaged": !whole}))),
                Err(Cut {
                    sent,
                    received,
                    why,
                }) => {
                    say(json!({"id": id, "error": why, "sent": sent, "received": received}));
                }
            }
        });
        Ok(())
    }

    fn happened(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::NewListenAddr { address, .. } => self.listening.push(address),
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                self.listening.retain(|other| *other != address);
            }
            SwarmEvent::ConnectionEstablished {
                connection_id,
                peer_id,
                endpoint,
                ..
            } => {
                let addr = endpoint.get_remote_address().clone();
                let relayed = endpoint.is_relayed();
                say(
                    json!({"event": "connected", "peer": peer_id.to_string(), "addr": addr.to_string(),
                    "relayed": relayed, "dialer": endpoint.is_dialer()}),
                );
                self.connections.insert(connection_id, (peer_id, addr));
                if let Some(done) = self.dials.remove(&connection_id) {
                    let _ = done.send(Ok(()));
                }
            }
            SwarmEvent::ConnectionClosed {
                connection_id,
                peer_id,
                cause,
                ..
            } => {
                self.connections.remove(&connection_id);
                let cause = cause.map(|error| error.to_string());
                say(json!({"event": "closed", "peer": peer_id.to_string(), "cause": cause}));
            }
            SwarmEvent::OutgoingConnectionError {
                connection_id,
                error,
                ..
            } => {
                eprintln!("dial failed: {error:?}");
                if let Some(done) = self.dials.remove(&connection_id) {
                    let _ = done.send(Err(error.to_string()));
                }
            }
            SwarmEvent::ListenerClosed {
                reason: Err(error), ..
            } => {
                say(json!({"event": "not-listening", "error": error.to_string()}));
                self.refused = Some(error.to_string());
            }
            SwarmEvent::Behaviour(event) => self.behaved(event),
            other => eprintln!("{other:?}"),
        }
    }

    fn behaved(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Circuit(relay::client::Event::ReservationReqAccepted {
                relay_peer_id,
                renewal,
                ..
            }) => {
                self.reservations += usize::from(!renewal);
                say(json!({"event": "reserved", "relay": relay_peer_id.to_string()}));
            }
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                if let Some(kad) = self.swarm.behaviour_mut().kad.as_mut() {
                    // kad itself learns no address of who has dialled this peer.
                    for addr in info
                        .listen_addrs
                        .iter()
                        .filter(|_| info.protocols.contains(&KAD))
                    {
                        kad.add_address(&peer_id, addr.clone());
                    }
                }
                say(json!({"event": "identified", "peer": peer_id.to_string(),
                    "observed": info.observed_addr.to_string(), "addrs": texts(info.listen_addrs),
                    "protocols": texts(info.protocols)}));
            }
            BehaviourEvent::Kad(kad::Event::OutboundQueryProgressed {
                id, result, step, ..
            }) => {
                self.looked_up(id, result, step.last);
            }
            BehaviourEvent::Autonat(autonat::v1::Event::StatusChanged { .. }) => {
                say(json!({"event": "reachability", "is": self.reachability()}));
            }
            BehaviourEvent::AutonatClient(event) => {
                let error = event.result.err().map(|error| error.to_string());
                say(
                    json!({"event": "autonat2", "addr": event.tested_addr.to_string(),
                    "server": event.server.to_string(), "error": error}),
                );
            }
            BehaviourEvent::AutonatServer(event) => {
                let error = event.result.err().map(|error| error.to_string());
                say(
                    json!({"event": "autonat2-served", "addr": event.tested_addr.to_string(),
                    "client": event.client.to_string(), "error": error}),
                );
            }
            BehaviourEvent::Dcutr(event) => {
                let error = event.result.err().map(|error| error.to_string());
                say(
                    json!({"event": "dcutr", "peer": event.remote_peer_id.to_string(), "error": error}),
                );
            }
            other => eprintln!("{other:?}"),
        }
    }

    fn looked_up(&mut self, id: kad::QueryId, result: kad::QueryResult, last: bool) {
        let kad::QueryResult::GetClosestPeers(result) = result else {
            return;
        };
        if !last {
            return;
        }
        let Some((done, peer)) = self.lookups.remove(&id) else {
            return;
        };
        let found = result.map_err(|error| error.to_string()).map(|closest| {
            let infos = closest
                .peers
                .into_iter()
                .filter(|info| info.peer_id == peer);
            texts(infos.flat_map(|info| info.addrs))
        });
        let _ = done.send(found);
    }
}

fn answer(id: Value, result: Result<Value, String>) {
    match result {
        Ok(value) => say(json!({"id": id, "ok": value})),
        Err(error) => say(json!({"id": id, "error": error})),
    }
}

async fn in_time<T>(answer: oneshot::Receiver<Result<T, String>>) -> Result<T, String> {
    match tokio::time::timeout(Duration::from_secs(REQUEST_SECONDS), answer).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err("it was given up".into()),
        Err(_) => Err(format!("nothing in {REQUEST_SECONDS} s")),
    }
}

fn last_peer(addr: &Multiaddr) -> Result<PeerId, Box<dyn Error>> {
    match addr.iter().last() {
        Some(Protocol::P2p(peer)) => Ok(peer),
        _ => Err(format!("{addr} does not end in a peer id").into()),
    }
}

fn without_end(mut addr: Multiaddr, end: &Protocol) -> Multiaddr {
    if addr.iter().last().as_ref() == Some(end) {
        addr.pop();
    }
    addr
}

fn texts<T: ToString>(items: impl IntoIterator<Item = T>) -> Value {
    items
        .into_iter()
        .map(|item| Value::from(item.to_string()))
        .collect()
}

/// Bytes of memory in use.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    kilobytes
        .and_then(|number| number.parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
}

fn build(setup: &Setup) -> Result<Peer, Box<dyn Error>> {
    let swarm = SwarmBuilder::with_existing_identity(setup.key()?)
        .with_tokio()
        .with_tcp(
            tcp::Config::default(),
            noise::Config::new,
            yamux::Config::default,
        )?
        .with_relay_client(noise::Config::new, yamux::Config::default)?
        .with_behaviour(|key, circuit| behaviour(setup, key, circuit))?
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
        .build();
    let protocol = setup.0["protocol"]
        .as_str()
        .ok_or("the setup names no protocol")?;
    Ok(Peer {
        swarm,
        protocol: StreamProtocol::try_from_owned(protocol.into())?,
        served: Served::default(),
        dials: HashMap::new(),
        lookups: HashMap::new(),
        connections: HashMap::new(),
        listening: Vec::new(),
        reservations: 0,
        refused: None,
    })
}

/// Listens, and holds all reservations that the setup asks for.
async fn start(peer: &mut Peer, setup: &Setup) -> Result<(), Box<dyn Error>> {
    let listen = setup.texts("listen");
    for addr in &listen {
        peer.listen(addr)?;
    }
    while peer.listening.len() < listen.len() {
        let event = peer.swarm.select_next_some().await;
        peer.happened(event);
    }
    if setup.0["relay_service"].as_bool().unwrap_or(false) {
        for addr in peer.listening.clone() {
            peer.swarm.add_external_address(addr);
        }
    }
    let relays = setup.texts("relays");
    for relay in &relays {
        peer.listen(&format!("{relay}/p2p-circuit"))?;
    }
    while peer.reservations < relays.len() {
        let event = peer.swarm.select_next_some().await;
        peer.happened(event);
        if let Some(error) = peer.refused.take() {
            return Err(error.into());
        }
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let argument = std::env::args().nth(1).ok_or("usage: rust-peer SETUP")?;
    let setup = Setup(serde_json::from_str(&argument)?);
    let mut peer = build(&setup)?;
    let mut incoming = peer
        .swarm
        .behaviour()
        .stream
        .new_control()
        .accept(peer.protocol.clone())?;
    let served = peer.served.clone();
    tokio::spawn(async move {
        while let Some((from, stream)) = incoming.next().await {
            let served = served.clone();
            tokio::spawn(async move {
                if let Err(error) = serve(stream, served).await {
                    // A cut transfer shows in `served`; the dialer is told by its own end.
                    eprintln!("served transfer of {from} ended: {error}");
                }
            });
        }
    });
    if let Err(error) = start(&mut peer, &setup).await {
        say(json!({"id": 0, "error": error.to_string()}));
        return Err(error);
    }
    say(json!({"id": 0, "ok": {"peer_id": peer.swarm.local_peer_id().to_string()}}));
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    loop {
        tokio::select! {
            event = peer.swarm.select_next_some() => peer.happened(event),
            line = lines.next_line() => match line? {
                Some(line) => peer.take(serde_json::from_str(&line)?),
                None => return Ok(()),
            },
        }
    }
}
