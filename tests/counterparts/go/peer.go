package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/libp2p/go-libp2p"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/host/autorelay"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/libp2p/go-libp2p/p2p/protocol/holepunch"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

// Peer is the host and what it has seen.
type Peer struct {
	host     host.Host
	setup    Setup
	kad      *dht.IpfsDHT
	reserved atomic.Int64 // reservations that it holds now

	mutex   sync.Mutex
	served  []*atomic.Int64
	punched []Punch
	reach1  string // by AutoNAT v1
	reach2  Reachable
}

// Reachable is what AutoNAT v2 has found of the own addresses.
type Reachable struct {
	Reachable   []string `json:"reachable"`
	Unreachable []string `json:"unreachable"`
	Unknown     []string `json:"unknown"`
}

// Punch is what the hole punching service tells of one event.
type Punch struct {
	Peer string `json:"peer"`
	Type string `json:"type"`
	Evt  any    `json:"event"`
}

// Connection is one of those that the host has.
type Connection struct {
	Peer    string `json:"peer"`
	Addr    string `json:"addr"`
	Inbound bool   `json:"inbound"`
	Limited bool   `json:"limited"`
}

func start(ctx context.Context, setup Setup) (*Peer, error) {
	p := &Peer{setup: setup, reach1: "unknown"}
	options, err := p.options()
	if err != nil {
		return nil, err
	}
	if p.host, err = libp2p.New(options...); err != nil {
		return nil, err
	}
	p.host.SetStreamHandler(coreprotocol.ID(setup.Protocol), p.serve)
	if err := p.watch(); err != nil {
		return nil, err
	}
	if setup.Kad != "" {
		prefix := dht.ProtocolPrefix(coreprotocol.ID(setup.Kad))
		if p.kad, err = dht.New(p.host, prefix, dht.Mode(dht.ModeServer)); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *Peer) options() ([]libp2p.Option, error) {
	setup := p.setup
	options := []libp2p.Option{
		libp2p.ListenAddrStrings(setup.Listen...),
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
	}
	if len(setup.Listen) == 0 {
		options[0] = libp2p.NoListenAddrs
	}
	if setup.Identity != "" {
		key, err := readKey(setup.Identity)
		if err != nil {
			return nil, err
		}
		options = append(options, libp2p.Identity(key))
	}
	if setup.RelayService {
		options = append(options, libp2p.EnableRelayService(p.relayLimits()...))
	}
	if len(setup.Relays) > 0 {
		relays, err := infos(setup.Relays)
		if err != nil {
			return nil, err
		}
		options = append(options, libp2p.EnableAutoRelayWithStaticRelays(
			relays,
			autorelay.WithBootDelay(0),
			autorelay.WithNumRelays(len(relays)),
			autorelay.WithMetricsTracer(counter{autorelay.NewMetricsTracer(), &p.reserved}),
		))
	} else {
		options = append(options, libp2p.EnableRelay())
	}
	switch setup.Reachability {
	case "private":
		options = append(options, libp2p.ForceReachabilityPrivate())
	case "public":
		options = append(options, libp2p.ForceReachabilityPublic())
	}
	if setup.AutoNATService {
		options = append(options, libp2p.EnableNATService())
	}
	if setup.AutoNATv2 {
		options = append(options, libp2p.EnableAutoNATv2())
	}
	if setup.HolePunching {
		options = append(options, libp2p.EnableHolePunching(holepunch.WithTracer(p)))
	}
	return options, nil
}

func (p *Peer) relayLimits() []relay.Option {
	if p.setup.Limited {
		return nil
	}
	return []relay.Option{relay.WithInfiniteLimits()}
}

// watch keeps what the host says of its own reachability.
func (p *Peer) watch() error {
	kinds := []any{new(event.EvtLocalReachabilityChanged), new(event.EvtHostReachableAddrsChanged)}
	events, err := p.host.EventBus().Subscribe(kinds)
	if err != nil {
		return err
	}
	go func() {
		for each := range events.Out() {
			p.mutex.Lock()
			switch found := each.(type) {
			case event.EvtLocalReachabilityChanged:
				p.reach1 = strings.ToLower(found.Reachability.String())
			case event.EvtHostReachableAddrsChanged:
				p.reach2 = Reachable{
					texts(found.Reachable), texts(found.Unreachable), texts(found.Unknown),
				}
			}
			p.mutex.Unlock()
		}
	}()
	return nil
}

// reachability is what AutoNAT has found out: v1 of the host, v2 of each address.
func (p *Peer) reachability() any {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return map[string]any{"v1": p.reach1, "v2": p.reach2}
}

// Trace is told by the hole punching service.
func (p *Peer) Trace(evt *holepunch.Event) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.punched = append(p.punched, Punch{evt.Remote.String(), evt.Type, evt.Evt})
}

func (p *Peer) punches() []Punch {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return append([]Punch{}, p.punched...)
}

func (p *Peer) connections() []Connection {
	found := []Connection{}
	for _, each := range p.host.Network().Conns() {
		stat := each.Stat()
		found = append(found, Connection{
			each.RemotePeer().String(),
			each.RemoteMultiaddr().String(),
			stat.Direction.String() == "Inbound",
			stat.Limited,
		})
	}
	return found
}

// findPeer asks the DHT for the addresses of a peer.
func (p *Peer) findPeer(ctx context.Context, text string) ([]string, error) {
	if p.kad == nil {
		return nil, errors.New("it has no DHT")
	}
	id, err := peer.Decode(text)
	if err != nil {
		return nil, err
	}
	info, err := p.kad.FindPeer(ctx, id)
	return texts(info.Addrs), err
}

// table is the DHT's routing table.
func (p *Peer) table() ([]peer.ID, error) {
	if p.kad == nil {
		return nil, errors.New("it has no DHT")
	}
	return p.kad.RoutingTable().ListPeers(), nil
}

// counter counts the reservations that autorelay holds, public or not.
type counter struct {
	autorelay.MetricsTracer
	reserved *atomic.Int64
}

// ReservationRequestFinished is told of new ones; ReservationOpened is of those at a later start.
func (c counter) ReservationRequestFinished(isRefresh bool, err error) {
	if !isRefresh && err == nil {
		c.reserved.Add(1)
	}
}

func (c counter) ReservationOpened(n int) { c.reserved.Add(int64(n)) }
func (c counter) ReservationEnded(n int)  { c.reserved.Add(-int64(n)) }

func infos(addrs []string) ([]peer.AddrInfo, error) {
	found := make([]peer.AddrInfo, 0, len(addrs))
	for _, addr := range addrs {
		info, err := peer.AddrInfoFromString(addr)
		if err != nil {
			return nil, err
		}
		found = append(found, *info)
	}
	return found, nil
}

func readKey(path string) (crypto.PrivKey, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return crypto.UnmarshalPrivateKey(data)
}
