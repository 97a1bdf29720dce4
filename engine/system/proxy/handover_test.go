package proxy_test

import (
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/system/proxy"
)

// TestHandover passes the sockets of one data path to another while clients come
// one after the other: none is refused or reset, and a flow that was open goes on.
func TestHandover(t *testing.T) {
	back := serveTCP(t, "b1", func(c *net.TCPConn) {
		_, _ = io.Copy(c, c)
		_ = c.CloseWrite()
	})
	port, datagrams := freePort(t), freePort(t)
	yaml := pool("", "", back) + listener("tcp", port, "") + "- {name: u, site: here, protocol: udp, port: " + strconv.Itoa(datagrams) + ", pool: p}\n"
	old := setUp(t, yaml)
	long := dial(t, port)
	echo := func(c net.Conn) error {
		if _, err := c.Write([]byte("still there?")); err != nil {
			return err
		}
		_, err := io.ReadFull(c, make([]byte, len("still there?")))
		return err
	}
	if err := echo(long); err != nil {
		t.Fatal(err)
	}

	var clients sync.WaitGroup
	var came, failed atomic.Int64
	stop := make(chan struct{})
	for range 4 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port))
				if err == nil {
					err = echo(c)
					_ = c.Close()
				}
				if err != nil {
					failed.Add(1)
					t.Error(err)
					return
				}
				came.Add(1)
			}
		})
	}
	eventually(t, "clients come", func() bool { return came.Load() > 50 })

	sockets, err := old.proxy.Sockets()
	if err != nil || len(sockets) != 2 {
		t.Fatalf("%d sockets, %v", len(sockets), err)
	}
	next := setUpAfter(t, take(sockets), yaml)
	for _, l := range []string{"l", "u"} {
		if !next.bound[l].OK {
			t.Fatalf("%s is not bound: %s", l, next.bound[l].Reason)
		}
	}
	old.proxy.Leave()
	before := came.Load()
	eventually(t, "clients come to the next one", func() bool { return came.Load() > before+50 && next.reading("l").Totals.Flows > 50 })
	close(stop)
	clients.Wait()
	if err := echo(long); err != nil {
		t.Errorf("the flow that was open: %v", err)
	}
	eventually(t, "one flow is left", func() bool { return old.proxy.Active() == 1 })
	_ = long.Close()
	eventually(t, "none is left", func() bool { return old.proxy.Active() == 0 })
	t.Logf("%d clients came, %d failed", came.Load(), failed.Load())
}

// take gives each socket once.
func take(all []proxy.Socket) func(network, address string) *os.File {
	var mu sync.Mutex
	return func(network, address string) *os.File {
		mu.Lock()
		defer mu.Unlock()
		for i, s := range all {
			if s.Network == network && s.Address == address {
				all = append(all[:i:i], all[i+1:]...)
				return s.File
			}
		}
		return nil
	}
}
