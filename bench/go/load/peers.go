package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/client"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/pb"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/proto"
	"github.com/libp2p/go-libp2p/p2p/protocol/circuitv2/util"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

const (
	maxMessage = 4096
	patience   = 20 * time.Second
)

// Pipe is what both ends of a circuit, or of a proxied TCP connection, look like.
type pipe interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// Pair is a dialer and a listener joined by what is under test. Accepted yields the listener's
// end of each pipe that open makes.
type pair struct {
	open     func() (pipe, error)
	accepted chan pipe
	close    func()
}

func newPair(o options) (*pair, error) {
	if o.direct != "" {
		return directPair(o)
	}
	return relayedPair(o.relay)
}

func directPair(o options) (*pair, error) {
	listener, err := net.Listen("tcp", o.directListen)
	if err != nil {
		return nil, err
	}
	accepted := make(chan pipe, 64)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			accepted <- conn.(*net.TCPConn)
		}
	}()
	open := func() (pipe, error) {
		conn, err := net.Dial("tcp", o.direct)
		if err != nil {
			return nil, err
		}
		return conn.(*net.TCPConn), nil
	}
	return &pair{open, accepted, func() { listener.Close() }}, nil
}

func relayedPair(address string) (*pair, error) {
	relay, err := peer.AddrInfoFromString(address)
	if err != nil {
		return nil, err
	}
	listener, err := newHost()
	if err != nil {
		return nil, err
	}
	accepted := make(chan pipe, 64)
	listener.SetStreamHandler(proto.ProtoIDv2Stop, func(stream network.Stream) {
		if err := acceptCircuit(stream); err != nil {
			stream.Reset()
			return
		}
		accepted <- stream
	})
	if err := reserve(listener, *relay); err != nil {
		return nil, err
	}
	dialer, err := newHost()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := dialer.Connect(ctx, *relay); err != nil {
		return nil, err
	}
	open := func() (pipe, error) { return openCircuit(dialer, relay.ID, listener.ID()) }
	shut := func() {
		dialer.Close()
		listener.Close()
	}
	return &pair{open, accepted, shut}, nil
}

// A host that listens nowhere and speaks what KwaaiNet's nodes speak: TCP, Noise, Yamux.
func newHost() (host.Host, error) {
	return libp2p.New(
		libp2p.NoListenAddrs,
		libp2p.Transport(tcp.NewTCPTransport),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.DisableRelay(),
		libp2p.DisableMetrics(),
		libp2p.Ping(false),
	)
}

func reserve(h host.Host, relay peer.AddrInfo) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := h.Connect(ctx, relay); err != nil {
		return err
	}
	_, err := client.Reserve(ctx, h, relay)
	return err
}

func openCircuit(h host.Host, relay, target peer.ID) (pipe, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	stream, err := h.NewStream(ctx, relay, proto.ProtoIDv2Hop)
	if err != nil {
		return nil, err
	}
	if err := connectOver(stream, target); err != nil {
		stream.Reset()
		return nil, err
	}
	return stream, nil
}

func connectOver(stream network.Stream, target peer.ID) error {
	stream.SetDeadline(time.Now().Add(patience))
	request := &pb.HopMessage{
		Type: pb.HopMessage_CONNECT.Enum(),
		Peer: util.PeerInfoToPeerV2(peer.AddrInfo{ID: target}),
	}
	if err := util.NewDelimitedWriter(stream).WriteMsg(request); err != nil {
		return err
	}
	reader := util.NewDelimitedReader(stream, maxMessage)
	defer reader.Close()
	var answer pb.HopMessage
	if err := reader.ReadMsg(&answer); err != nil {
		return err
	}
	if answer.GetStatus() != pb.Status_OK {
		return fmt.Errorf("relay answered %s", answer.GetStatus())
	}
	return stream.SetDeadline(time.Time{})
}

func acceptCircuit(stream network.Stream) error {
	stream.SetDeadline(time.Now().Add(patience))
	reader := util.NewDelimitedReader(stream, maxMessage)
	defer reader.Close()
	var request pb.StopMessage
	if err := reader.ReadMsg(&request); err != nil {
		return err
	}
	if request.GetType() != pb.StopMessage_CONNECT {
		return errors.New("expected CONNECT")
	}
	answer := &pb.StopMessage{Type: pb.StopMessage_STATUS.Enum(), Status: pb.Status_OK.Enum()}
	if err := util.NewDelimitedWriter(stream).WriteMsg(answer); err != nil {
		return err
	}
	return stream.SetDeadline(time.Time{})
}
