// A go-libp2p circuit relay without limits, with 64 KiB buffers: the peer to beat.
//
// It says its address on the first line of standard output and runs until SIGTERM.
package main

import (
	"fmt"
	"log"
	"math"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/relay"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

const (
	bufferSize = 64 << 10
	many       = math.MaxInt32
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: relay LISTEN_MULTIADDR")
	}
	manager, err := connmgr.NewConnManager(many, many)
	check(err)
	host, err := libp2p.New(
		libp2p.ListenAddrStrings(os.Args[1]),
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.ConnectionManager(manager),
		libp2p.DisableRelay(),
	)
	check(err)
	_, err = relay.New(host, relay.WithResources(relay.Resources{
		ReservationTTL:        time.Hour,
		MaxReservations:       many,
		MaxCircuits:           many,
		BufferSize:            bufferSize,
		MaxReservationsPerIP:  many,
		MaxReservationsPerASN: many,
	}))
	check(err)
	fmt.Printf("%s/p2p/%s\n", host.Addrs()[0], host.ID())

	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	<-end
	check(host.Close())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
