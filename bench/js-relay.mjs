// A js-libp2p circuit relay without limits: a peer of the benchmark. The first argument is where it
// listens. It says its address on the first line of standard output and runs until SIGTERM.

import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { circuitRelayServer } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'

const MANY = 1_000_000

const node = await createLibp2p({
  addresses: { listen: [process.argv[2]] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  connectionManager: {
    maxConnections: MANY,
    maxIncomingPendingConnections: MANY,
    inboundConnectionThreshold: MANY
  },
  services: {
    identify: identify(),
    ping: ping(),
    relay: circuitRelayServer({
      maxInboundHopStreams: MANY,
      maxOutboundHopStreams: MANY,
      maxOutboundStopStreams: MANY,
      reservations: { maxReservations: MANY, applyDefaultLimit: false }
    })
  }
})
process.on('SIGTERM', async () => {
  await node.stop()
  process.exit(0)
})
console.log(node.getMultiaddrs()[0].toString())
