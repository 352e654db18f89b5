// A go-libp2p peer, driven by JSON lines: one request a line on standard input, one answer a line
// on standard output. The first argument is its setup (go_libp2p.py writes it). It ends when its
// standard input does. What is said on the test protocol stands in payload.py.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
	ma "github.com/multiformats/go-multiaddr"
)

const dialTimeout = 20 * time.Second

// Setup is what the first argument holds.
type Setup struct {
	Protocol     string   `json:"protocol"`
	Listen       []string `json:"listen"`
	Relays       []string `json:"relays"`
	RelayService bool     `json:"relay_service"`
	Limited      bool     `json:"limited"`
	OverLimited  bool     `json:"over_limited"`
	Identity     string   `json:"identity"`
	// Reachability is "private" or "public" when it is told and not to be found out.
	Reachability   string `json:"reachability"`
	AutoNATService bool   `json:"autonat_service"`
	AutoNATv2      bool   `json:"autonat_v2"`
	HolePunching   bool   `json:"hole_punching"`
	// Kad is the prefix before /kad/1.0.0, empty without a DHT.
	Kad string `json:"kad"`
}

// Request is one line of standard input; what is not asked for is empty.
type Request struct {
	ID   int    `json:"id"`
	Do   string `json:"do"`
	Addr string `json:"addr"`
	Peer string `json:"peer"`
	Size int64  `json:"size"`
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: peer SETUP")
	}
	var setup Setup
	check(json.Unmarshal([]byte(os.Args[1]), &setup))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	p, err := start(ctx, setup)
	check(err)
	answers := make(chan any)
	go write(answers)
	answers <- map[string]any{"id": 0, "ok": map[string]string{"peer_id": p.host.ID().String()}}
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			var request Request
			check(json.Unmarshal(lines.Bytes(), &request))
			go func() { answers <- p.answer(ctx, request) }()
		}
		stop()
	}()
	<-ctx.Done()
	check(p.host.Close())
}

func write(answers <-chan any) {
	encoder := json.NewEncoder(os.Stdout)
	for answer := range answers {
		check(encoder.Encode(answer))
	}
}

func (p *Peer) answer(ctx context.Context, request Request) any {
	value, err := p.do(ctx, request)
	if err == nil {
		return map[string]any{"id": request.ID, "ok": value}
	}
	answer := map[string]any{"id": request.ID, "error": err.Error()}
	var cut *Cut
	if errors.As(err, &cut) {
		answer["sent"], answer["received"] = cut.sent, cut.received
	}
	return answer
}

func (p *Peer) do(ctx context.Context, request Request) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	switch request.Do {
	case "addrs":
		return texts(p.host.Addrs()), nil
	case "connect":
		_, err := p.reach(ctx, request.Addr)
		return nil, err
	case "disconnect":
		return nil, p.forPeer(request.Peer, p.host.Network().ClosePeer)
	case "peers":
		return p.host.Network().Peers(), nil
	case "connections":
		return p.connections(), nil
	case "protocols":
		return p.host.Mux().Protocols(), nil
	case "transfer":
		return p.transfer(request.Addr, request.Size)
	case "served":
		return p.transfers(), nil
	case "ping":
		return p.ping(ctx, request.Addr)
	case "reachability":
		return p.reachability(), nil
	case "reservations":
		return p.reserved.Load(), nil
	case "punches":
		return p.punches(), nil
	case "find_peer":
		return p.findPeer(ctx, request.Peer)
	case "table":
		return p.table()
	}
	return nil, fmt.Errorf("%s is nothing that this peer does", request.Do)
}

// reach connects to a multiaddr that ends in a peer id.
func (p *Peer) reach(ctx context.Context, addr string) (peer.ID, error) {
	info, err := peer.AddrInfoFromString(addr)
	if err != nil {
		return "", err
	}
	// A circuit that the relay limits is a connection too, for whoever asks for it.
	ctx = network.WithAllowLimitedConn(ctx, "told to")
	return info.ID, p.host.Connect(ctx, *info)
}

func (p *Peer) ping(ctx context.Context, addr string) (float64, error) {
	id, err := p.reach(ctx, addr)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	result := <-ping.Ping(ctx, p.host, id)
	return result.RTT.Seconds(), result.Error
}

func (p *Peer) forPeer(text string, do func(peer.ID) error) error {
	id, err := peer.Decode(text)
	if err != nil {
		return err
	}
	return do(id)
}

func texts(addrs []ma.Multiaddr) []string {
	found := make([]string, 0, len(addrs))
	for _, addr := range addrs {
		found = append(found, addr.String())
	}
	return found
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
