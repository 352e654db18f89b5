package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	requestSize = 1 << 10
	pause       = time.Millisecond
)

type quantiles struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

func summarise(times []time.Duration) quantiles {
	slices.Sort(times)
	at := func(q float64) float64 {
		return float64(times[int(q*float64(len(times)-1))].Nanoseconds()) / 1e6
	}
	return quantiles{len(times), at(0.5), at(0.99), at(1)}
}

// Latency times 1 KiB there and 1 KiB back, with a pause between, over one pipe.
func latency(o options) (any, error) {
	p, err := newPair(o)
	if err != nil {
		return nil, err
	}
	defer p.close()
	out, err := p.open()
	if err != nil {
		return nil, err
	}
	in := <-p.accepted
	go io.CopyBuffer(struct{ io.Writer }{in}, in, make([]byte, requestSize))
	buffer := make([]byte, requestSize)
	var times []time.Duration
	for began := time.Now(); time.Since(began) < o.warmup+o.window; time.Sleep(pause) {
		start := time.Now()
		if _, err := out.Write(pattern[:requestSize]); err != nil {
			return nil, err
		}
		if _, err := io.ReadFull(out, buffer); err != nil {
			return nil, err
		}
		if time.Since(began) > o.warmup {
			times = append(times, time.Since(start))
		}
	}
	if len(times) == 0 {
		return nil, errors.New("no request was answered in the window")
	}
	return summarise(times), nil
}

// CircuitSetUp times circuits from the opening of the hop stream to the relay's OK.
func circuitSetUp(o options) (any, error) {
	p, err := newPair(o)
	if err != nil {
		return nil, err
	}
	defer p.close()
	times := make([]time.Duration, 0, o.count)
	for range o.count {
		start := time.Now()
		out, err := p.open()
		if err != nil {
			return nil, err
		}
		times = append(times, time.Since(start))
		in := <-p.accepted
		out.Close()
		in.Close()
	}
	return summarise(times), nil
}

type reserveResult struct {
	Count    int       `json:"count"`
	RelayCPU float64   `json:"relay_cpu_seconds"`
	Times    quantiles `json:"times"`
}

// ReserveCost lets new peers, one after the other, connect, reserve and leave.
func reserveCost(o options) (any, error) {
	relay, err := peer.AddrInfoFromString(o.relay)
	if err != nil {
		return nil, err
	}
	before, err := cpuSeconds(o.pid)
	if err != nil {
		return nil, err
	}
	times := make([]time.Duration, 0, o.count)
	for range o.count {
		h, err := newHost()
		if err != nil {
			return nil, err
		}
		start := time.Now()
		if err := reserve(h, *relay); err != nil {
			return nil, err
		}
		times = append(times, time.Since(start))
		h.Close()
	}
	after, err := cpuSeconds(o.pid)
	return reserveResult{o.count, after - before, summarise(times)}, err
}

type holdResult struct {
	Held int `json:"held"`
}

// Hold reads counts from standard input; for each it brings the number of peers which hold a
// reservation up to it, and says so. It ends when its input does.
func hold(o options) (any, error) {
	relay, err := peer.AddrInfoFromString(o.relay)
	if err != nil {
		return nil, err
	}
	var hosts []host.Host
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		want, err := strconv.Atoi(strings.TrimSpace(lines.Text()))
		if err != nil {
			return nil, err
		}
		for len(hosts) < want {
			h, err := newHost()
			if err != nil {
				return nil, err
			}
			if err := reserve(h, *relay); err != nil {
				return nil, fmt.Errorf("after %d reservations: %w", len(hosts), err)
			}
			hosts = append(hosts, h)
		}
		say(holdResult{len(hosts)})
	}
	lost := 0
	for _, h := range hosts {
		if len(h.Network().ConnsToPeer(relay.ID)) == 0 {
			lost++
		}
	}
	if lost > 0 {
		return nil, fmt.Errorf("the relay closed %d of %d connections", lost, len(hosts))
	}
	return holdResult{len(hosts)}, nil
}
