// A js-libp2p peer, driven by JSON lines: one request a line on standard input, one answer a line
// on standard output. The first argument is its setup (lines.py writes it). It ends when its
// standard input does. What is said on the test protocol stands in payload.py.

import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { autoNAT } from '@libp2p/autonat'
import { autoNATv2 } from '@libp2p/autonat-v2'
import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { privateKeyFromProtobuf } from '@libp2p/crypto/keys'
import { dcutr } from '@libp2p/dcutr'
import { identify, identifyPush } from '@libp2p/identify'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { mdns } from '@libp2p/mdns'
import { peerIdFromString } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { byteStream } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { CID } from 'multiformats/cid'
import { decode } from 'multiformats/hashes/digest'

const setup = JSON.parse(process.argv[2])
const PROTOCOL = setup.protocol
const BLOCK = 64 * 1024
const HEADER = 8
const DIGEST = 32
const DIAL_SECONDS = 20

// What a test can ask for besides, each with the options of its package as JSON.
const SERVICES = {
  autonat: autoNAT,
  autonat_v2: autoNATv2,
  dcutr,
  kad: options => kadDHT({ peerInfoMapper: passthroughMapper, ...options })
}

const served = []
const discovered = new Map()

class Cut extends Error {
  constructor (sent, received, error) {
    super(describe(error))
    this.sent = sent
    this.received = received
  }
}

function describe (error) {
  // A stream that its peer resets ends in an event, which holds the error or none.
  const cause = error.error ?? error
  return [cause.name ?? cause.type, cause.message, ...(cause.errors ?? [])].filter(Boolean).join(': ')
}

async function send (bytes, size, progress) {
  const block = randomBytes(BLOCK)
  const hash = createHash('sha256')
  for (let left = size, number = 0n; left > 0; number++) {
    block.writeBigUInt64BE(number)
    const chunk = Buffer.from(block.subarray(0, Math.min(BLOCK, left)))
    hash.update(chunk)
    await bytes.write(chunk)
    left -= chunk.length
    progress(chunk.length)
  }
  return hash.digest()
}

async function receive (bytes, size, progress) {
  const hash = createHash('sha256')
  for (let left = size; left > 0;) {
    // Small reads, so that the count of a transfer which is cut comes near the truth.
    const chunk = (await bytes.read({ bytes: Math.min(4096, left) })).subarray()
    hash.update(chunk)
    left -= chunk.length
    progress(chunk.length)
  }
  return hash.digest()
}

async function serve (stream) {
  const index = served.push(0) - 1
  try {
    const bytes = byteStream(stream)
    const header = Buffer.from((await bytes.read({ bytes: HEADER })).subarray())
    const size = Number(header.readBigUInt64BE())
    await bytes.write(await receive(bytes, size, n => { served[index] += n }))
    await bytes.write(await send(bytes, size, () => {}))
    await stream.close()
  } catch (error) {
    // A cut transfer shows in `served`; the dialer is told by its own end.
    console.error('served transfer ended:', describe(error))
    stream.abort(error)
  }
}

async function transfer ({ addr, size }) {
  const stream = await node.dialProtocol(multiaddr(addr), PROTOCOL, {
    runOnLimitedConnection: setup.over_limited,
    signal: AbortSignal.timeout(DIAL_SECONDS * 1000)
  })
  const bytes = byteStream(stream)
  let sent = 0
  let received = 0
  try {
    const header = Buffer.alloc(HEADER)
    header.writeBigUInt64BE(BigInt(size))
    await bytes.write(header)
    const ours = await send(bytes, size, n => { sent += n })
    const claimed = (await bytes.read({ bytes: DIGEST })).subarray()
    const theirs = await receive(bytes, size, n => { received += n })
    const trailer = (await bytes.read({ bytes: DIGEST })).subarray()
    await stream.close()
    if (!ours.equals(claimed) || !theirs.equals(trailer)) {
      return { damaged: true }
    }
    return { damaged: false }
  } catch (error) {
    stream.abort(error)
    throw new Cut(sent, received, error)
  }
}

const requests = {
  addrs: () => node.getMultiaddrs().map(addr => withoutPeer(addr.toString())),
  connect: async ({ addr }) => {
    await node.dial(multiaddr(addr), { signal: AbortSignal.timeout(DIAL_SECONDS * 1000) })
    return null
  },
  transfer,
  ping: async ({ addr }) => {
    const options = { runOnLimitedConnection: setup.over_limited }
    return (await node.services.ping.ping(multiaddr(addr), options)) / 1000
  },
  served: () => served,
  peers: () => node.getPeers().map(peer => peer.toString()),
  connections: ({ peer }) => node.getConnections(peerIdFromString(peer)).map(connection => ({
    remote: connection.remoteAddr.toString(),
    direct: connection.direct,
    limited: connection.limits !== undefined
  })),
  protocols: async ({ peer }) => (await node.peerStore.get(peerIdFromString(peer))).protocols,
  find: async ({ peer }) => {
    const signal = AbortSignal.timeout(DIAL_SECONDS * 1000)
    const found = await node.peerRouting.findPeer(peerIdFromString(peer), { signal })
    return found.multiaddrs.map(addr => addr.toString())
  },
  provide: async ({ key }) => {
    const signal = AbortSignal.timeout(DIAL_SECONDS * 1000)
    await node.contentRouting.provide(cid(key), { signal })
  },
  providers: async ({ key }) => {
    const found = {}
    const signal = AbortSignal.timeout(DIAL_SECONDS * 1000)
    for await (const { id, multiaddrs } of node.contentRouting.findProviders(cid(key), { signal })) {
      found[id.toString()] = multiaddrs.map(addr => addr.toString())
    }
    return found
  },
  discovered: () => Object.fromEntries(discovered),
  memory: () => process.memoryUsage.rss()
}

function cid (key) {
  // The DHT knows keys by their multihash alone; the codec is that of raw bytes.
  return CID.createV1(0x55, decode(Buffer.from(key, 'hex')))
}

function withoutPeer (addr) {
  const own = `/p2p/${node.peerId}`
  return addr.endsWith(own) ? addr.slice(0, -own.length) : addr
}

async function answer (line) {
  const { id, do: name, ...args } = JSON.parse(line)
  try {
    say({ id, ok: (await requests[name](args)) ?? null })
  } catch (error) {
    say({ id, error: describe(error), sent: error.sent, received: error.received })
  }
}

function say (message) {
  process.stdout.write(JSON.stringify(message) + '\n')
}

function relayServer () {
  // What js-libp2p lets an operator set; without limits its circuits are not marked as limited.
  return setup.limited
    ? circuitRelayServer()
    : circuitRelayServer({ reservations: { applyDefaultLimit: false, maxReservations: 1024 } })
}

function furtherServices () {
  const chosen = Object.entries(SERVICES).filter(([name]) => name in setup.services)
  return Object.fromEntries(chosen.map(([name, make]) => [name, make(setup.services[name])]))
}

async function start () {
  const options = {
    addresses: { listen: [...setup.listen, ...setup.relays.map(relay => `${relay}/p2p-circuit`)] },
    transports: [tcp(), circuitRelayTransport()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      identifyPush: identifyPush(),
      ping: ping({ runOnLimitedConnection: setup.over_limited }),
      ...(setup.relay_service ? { relay: relayServer() } : {}),
      ...furtherServices()
    },
    peerDiscovery: 'mdns' in setup.services ? [mdns(setup.services.mdns)] : []
  }
  if (setup.identity !== null) {
    options.privateKey = privateKeyFromProtobuf(readFileSync(setup.identity))
  }
  const node = await createLibp2p({ ...options, start: false })
  node.addEventListener('peer:discovery', ({ detail }) => {
    discovered.set(detail.id.toString(), detail.multiaddrs.map(addr => addr.toString()))
  })
  await node.start()
  await node.handle(PROTOCOL, serve, { runOnLimitedConnection: setup.over_limited })
  return node
}

let node
try {
  node = await start()
} catch (error) {
  say({ id: 0, error: describe(error) })
  process.exit(1)
}
say({ id: 0, ok: { peer_id: node.peerId.toString() } })
const lines = createInterface({ input: process.stdin })
lines.on('line', answer)
lines.on('close', async () => {
  await node.stop()
  process.exit(0)
})
process.on('SIGTERM', async () => {
  await node.stop()
  process.exit(0)
})
