package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	block  = 64 << 10
	period = 1<<20 - 3 // of the pattern; odd, so that no frame boundary repeats in it
)

// Pattern holds two periods, so that a block from anywhere in the first is contiguous.
var pattern = makePattern()

func makePattern() []byte {
	once := make([]byte, period)
	rand.NewChaCha8([32]byte{1}).Read(once)
	return append(once, once...)
}

type bulkResult struct {
	Bytes        int64   `json:"bytes"`
	Seconds      float64 `json:"seconds"`
	RelayCPU     float64 `json:"relay_cpu_seconds"`
	LoadCPU      float64 `json:"load_cpu_seconds"`
	VerifiedFull int64   `json:"bytes_verified"`
}

// Bulk pushes for warmup and window over some streams. All bytes are compared with what was sent;
// those of the window are set against the CPU time of the relay.
func bulk(o options) (any, error) {
	p, err := newPair(o)
	if err != nil {
		return nil, err
	}
	defer p.close()
	var sent, received atomic.Int64
	var stop atomic.Bool
	done := make(chan error, 2*o.streams)
	for range o.streams {
		out, err := p.open()
		if err != nil {
			return nil, err
		}
		in := <-p.accepted
		go func() { done <- push(out, &sent, &stop) }()
		go func() { done <- drain(in, &received) }()
	}
	if err := sleep(o.warmup, done); err != nil {
		return nil, err
	}
	before, err := takeSample(o.pid, &received)
	if err != nil {
		return nil, err
	}
	if err := sleep(o.window, done); err != nil {
		return nil, err
	}
	after, err := takeSample(o.pid, &received)
	if err != nil {
		return nil, err
	}
	stop.Store(true)
	for range 2 * o.streams {
		if err := <-done; err != nil {
			return nil, err
		}
	}
	if sent.Load() != received.Load() {
		return nil, fmt.Errorf("%d bytes sent, %d received", sent.Load(), received.Load())
	}
	return bulkResult{
		Bytes:        after.bytes - before.bytes,
		Seconds:      after.at.Sub(before.at).Seconds(),
		RelayCPU:     after.relayCPU - before.relayCPU,
		LoadCPU:      after.loadCPU - before.loadCPU,
		VerifiedFull: received.Load(),
	}, nil
}

// Sleep returns early when a stream has ended, which none should.
func sleep(d time.Duration, done chan error) error {
	select {
	case err := <-done:
		return errors.Join(errors.New("a stream ended early"), err)
	case <-time.After(d):
		return nil
	}
}

func push(out pipe, sent *atomic.Int64, stop *atomic.Bool) error {
	for offset := 0; !stop.Load(); offset = (offset + block) % period {
		n, err := out.Write(pattern[offset : offset+block])
		sent.Add(int64(n))
		if err != nil {
			return fmt.Errorf("push: %w", err)
		}
	}
	return out.CloseWrite()
}

func drain(in pipe, received *atomic.Int64) error {
	buffer := make([]byte, block)
	for offset := 0; ; {
		n, err := in.Read(buffer)
		if !bytes.Equal(buffer[:n], pattern[offset:offset+n]) {
			return fmt.Errorf("damaged within %d bytes", n)
		}
		offset = (offset + n) % period
		received.Add(int64(n))
		if err == io.EOF {
			return in.Close()
		}
		if err != nil {
			return fmt.Errorf("drain: %w", err)
		}
	}
}

type sample struct {
	at                time.Time
	bytes             int64
	relayCPU, loadCPU float64
}

func takeSample(pid int, received *atomic.Int64) (sample, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return sample{}, err
	}
	relay, err := cpuSeconds(pid)
	return sample{
		at:       time.Now(),
		bytes:    received.Load(),
		relayCPU: relay,
		loadCPU:  seconds(usage.Utime) + seconds(usage.Stime),
	}, err
}

func seconds(t syscall.Timeval) float64 {
	return time.Duration(t.Nano()).Seconds()
}
