package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"log"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/network"
	coreprotocol "github.com/libp2p/go-libp2p/core/protocol"
)

const (
	block  = 64 << 10
	digest = sha256.Size
)

// Cut is a transfer that ended early: how many payload bytes had passed each way.
type Cut struct {
	sent, received int64
	cause          error
}

func (c *Cut) Error() string { return c.cause.Error() }

// transfer exchanges `size` bytes each way with the peer at `addr`.
func (p *Peer) transfer(addr string, size int64) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	id, err := p.reach(ctx, addr)
	if err != nil {
		return nil, err
	}
	if p.setup.OverLimited {
		ctx = network.WithAllowLimitedConn(ctx, "told to")
	}
	stream, err := p.host.NewStream(ctx, id, coreprotocol.ID(p.setup.Protocol))
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	var sent, received atomic.Int64
	damaged, err := exchange(stream, size, &sent, &received)
	if err != nil {
		stream.Reset()
		return nil, &Cut{sent.Load(), received.Load(), err}
	}
	return map[string]bool{"damaged": damaged}, nil
}

func exchange(stream io.ReadWriter, size int64, sent, received *atomic.Int64) (bool, error) {
	if err := binary.Write(stream, binary.BigEndian, size); err != nil {
		return false, err
	}
	ours, err := send(stream, size, sent)
	if err != nil {
		return false, err
	}
	claimed, trailer := make([]byte, digest), make([]byte, digest)
	if _, err := io.ReadFull(stream, claimed); err != nil {
		return false, err
	}
	theirs, err := receive(stream, size, received)
	if err != nil {
		return false, err
	}
	if _, err := io.ReadFull(stream, trailer); err != nil {
		return false, err
	}
	return !bytes.Equal(ours, claimed) || !bytes.Equal(theirs, trailer), nil
}

// serve is the other side of transfer.
func (p *Peer) serve(stream network.Stream) {
	count := new(atomic.Int64)
	p.mutex.Lock()
	p.served = append(p.served, count)
	p.mutex.Unlock()
	if err := answerTransfer(stream, count); err != nil {
		log.Print("served transfer ended: ", err)
		stream.Reset()
		return
	}
	stream.Close()
}

func answerTransfer(stream io.ReadWriter, count *atomic.Int64) error {
	var size int64
	if err := binary.Read(stream, binary.BigEndian, &size); err != nil {
		return err
	}
	theirs, err := receive(stream, size, count)
	if err != nil {
		return err
	}
	if _, err := stream.Write(theirs); err != nil {
		return err
	}
	ours, err := send(stream, size, new(atomic.Int64))
	if err != nil {
		return err
	}
	_, err = stream.Write(ours)
	return err
}

func (p *Peer) transfers() []int64 {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	found := []int64{}
	for _, count := range p.served {
		found = append(found, count.Load())
	}
	return found
}

func send(to io.Writer, size int64, progress *atomic.Int64) ([]byte, error) {
	chunk := make([]byte, block)
	rand.Read(chunk)
	hash := sha256.New()
	for number := uint64(0); size > 0; number++ {
		binary.BigEndian.PutUint64(chunk, number)
		part := chunk[:min(size, block)]
		hash.Write(part)
		if _, err := to.Write(part); err != nil {
			return nil, err
		}
		size -= int64(len(part))
		progress.Add(int64(len(part)))
	}
	return hash.Sum(nil), nil
}

func receive(from io.Reader, size int64, progress *atomic.Int64) ([]byte, error) {
	chunk := make([]byte, block)
	hash := sha256.New()
	for size > 0 {
		n, err := from.Read(chunk[:min(size, block)])
		hash.Write(chunk[:n])
		size -= int64(n)
		progress.Add(int64(n))
		if err != nil && size > 0 {
			return nil, err
		}
	}
	return hash.Sum(nil), nil
}
