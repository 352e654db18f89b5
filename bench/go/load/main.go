// The load peers of the benchmark: go-libp2p hosts that use a circuit relay, the same for all.
//
//	load bulk -relay ADDR -pid PID -streams 16 -warmup 1s -window 4s
//	load latency -relay ADDR -window 3s
//	load reserve -relay ADDR -pid PID -count 200
//	load circuits -relay ADDR -count 300
//	load hold -relay ADDR
//
// A result is one line of JSON on standard output. A circuit carries plain bytes here, not a
// second Noise session: the relay cannot tell, and the load costs half. With -direct PROXY in place
// of -relay the peers talk over TCP through a proxy which forwards to -direct-listen.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"os"
	"time"
)

type options struct {
	relay        string
	direct       string
	directListen string
	pid          int
	streams      int
	count        int
	warmup       time.Duration
	window       time.Duration
}

var modes = map[string]func(options) (any, error){
	"bulk":     bulk,
	"latency":  latency,
	"reserve":  reserveCost,
	"circuits": circuitSetUp,
	"hold":     hold,
}

func main() {
	if len(os.Args) < 2 || modes[os.Args[1]] == nil {
		log.Fatal("usage: load bulk|latency|reserve|circuits|hold [flags]")
	}
	var o options
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	flags.StringVar(&o.relay, "relay", "", "multiaddr of the relay, with its peer id")
	flags.StringVar(&o.direct, "direct", "", "HOST:PORT of a TCP proxy, in place of a relay")
	flags.StringVar(&o.directListen, "direct-listen", "", "HOST:PORT that proxy forwards to")
	flags.IntVar(&o.pid, "pid", 0, "process whose CPU time is measured")
	flags.IntVar(&o.streams, "streams", 1, "circuits side by side, over one connection at each end")
	flags.IntVar(&o.count, "count", 1, "how many times")
	flags.DurationVar(&o.warmup, "warmup", time.Second, "time before the window that counts")
	flags.DurationVar(&o.window, "window", 4*time.Second, "time that counts")
	if err := flags.Parse(os.Args[2:]); err != nil {
		log.Fatal(err)
	}
	result, err := modes[os.Args[1]](o)
	if err != nil {
		log.Fatalf("%s: %v", os.Args[1], err)
	}
	say(result)
}

func say(result any) {
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		log.Fatal(err)
	}
}
