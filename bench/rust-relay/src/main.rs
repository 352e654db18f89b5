//! A rust-libp2p circuit relay without limits: a peer of the benchmark.
//!
//! It says its address on the first line of standard output and runs until SIGTERM.

use std::{error::Error, time::Duration};

use libp2p::{
    Multiaddr, SwarmBuilder,
    futures::StreamExt,
    identify, identity, noise, ping, relay,
    swarm::{NetworkBehaviour, SwarmEvent},
    tcp, yamux,
};
use tokio::signal::unix::{SignalKind, signal};

#[derive(NetworkBehaviour)]
struct Behaviour {
    relay: relay::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
}

fn behaviour(key: &identity::Keypair) -> Behaviour {
    let config = relay::Config {
        max_reservations: usize::MAX,
        max_reservations_per_peer: usize::MAX,
        reservation_duration: Duration::from_secs(3600),
        reservation_rate_limiters: Vec::new(),
        max_circuits: usize::MAX,
        max_circuits_per_peer: usize::MAX,
        max_circuit_duration: Duration::from_secs(86400),
        max_circuit_bytes: u64::MAX,
        circuit_src_rate_limiters: Vec::new(),
    };
    let public = key.public();
    Behaviour {
        relay: relay::Behaviour::new(public.to_peer_id(), config),
        identify: identify::Behaviour::new(identify::Config::new("ipfs/0.1.0".into(), public)),
        ping: ping::Behaviour::default(),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let listen: Multiaddr = std::env::args()
        .nth(1)
        .ok_or("usage: rust-relay LISTEN_MULTIADDR")?
        .parse()?;
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            noise::Config::new,
            yamux::Config::default,
        )?
        .with_behaviour(behaviour)?
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
        .build();
    swarm.add_external_address(listen.clone());
    swarm.listen_on(listen)?;
    let mut end = signal(SignalKind::terminate())?;
    loop {
        tokio::select! {
            event = swarm.select_next_some() => {
                if let SwarmEvent::NewListenAddr { address, .. } = event {
                    println!("{address}/p2p/{}", swarm.local_peer_id());
                }
            }
            _ = end.recv() => return Ok(()),
        }
    }
}
