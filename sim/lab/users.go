//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Serve runs small web servers on the site's client, one a port: what the site's
// listeners send users to. They end with the network.
func (s *Site) Serve(ports ...int) error {
	for _, port := range ports {
		l, err := s.Client.Listen(fmt.Sprintf("%s:%d", s.Client.Address, port))
		if err != nil {
			return fmt.Errorf("lab: %s serves: %w", s.Name, err)
		}
		server := &http.Server{
			ReadHeaderTimeout: fetchFor,
			Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = fmt.Fprintf(w, "%s server %d\n", s.Name, port)
			}),
		}
		go func() { _ = server.Serve(l) }()
		s.Client.net.closes(server)
	}
	return nil
}

// fetchFor is how long one request of a user may take.
const fetchFor = 3 * time.Second

// Fetch is one request of a user's.
type Fetch struct {
	Host  *Host // whose listener was asked
	Began time.Time
	Took  time.Duration
	Err   error
}

// Users fetch a page through a site's listener without end, from the site's client
// and from every one of its hosts, over connections that last and over new ones in
// turn.
type Users struct {
	stop func()
	done sync.WaitGroup

	mu  sync.Mutex
	all []Fetch
}

// Use begins to fetch from each host of the site, one request an interval each.
func (s *Site) Use(port int, every time.Duration) *Users {
	ctx, cancel := context.WithCancel(context.Background())
	u := &Users{stop: cancel}
	for _, h := range s.Hosts {
		u.done.Go(func() {
			t := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				return s.Client.Dial(ctx, network, address)
			}}
			defer t.CloseIdleConnections()
			c := &http.Client{Transport: t}
			tick := time.NewTicker(every)
			defer tick.Stop()
			for n := 0; ; n++ {
				u.note(fetch(c, h, s, port, n%2 == 1))
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
			}
		})
	}
	return u
}

func fetch(c *http.Client, h *Host, s *Site, port int, alone bool) Fetch {
	f := Fetch{Host: h, Began: time.Now()}
	f.Err = func() error {
		// Not the users' context: a request that is under way when they stop is
		// answered.
		ctx, cancel := context.WithTimeout(context.Background(), fetchFor)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s:%d/", h.Address, port), nil)
		if err != nil {
			return err
		}
		req.Close = alone
		res, err := c.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			return err
		}
		if res.StatusCode != http.StatusOK || !strings.HasPrefix(string(body), s.Name+" server ") {
			return fmt.Errorf("%s: %.100q", res.Status, body)
		}
		return nil
	}()
	f.Took = time.Since(f.Began)
	return f
}

func (u *Users) note(f Fetch) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.all = append(u.all, f)
}

// Count returns how many requests have ended.
func (u *Users) Count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.all)
}

// Stop lets the requests under way end, and returns all.
func (u *Users) Stop() []Fetch {
	u.stop()
	u.done.Wait()
	return u.all
}

// CheckUsers says which users got no page although nothing excuses it, and
// whether a host was hardly asked at all.
func CheckUsers(all []Fetch, least int, excused func(Fetch) bool) error {
	var errs []error
	asked := map[*Host]int{}
	for _, f := range all {
		asked[f.Host]++
		if f.Err != nil && !excused(f) {
			errs = append(errs, fmt.Errorf("%s %s after %v: %w", f.Began.Format("15:04:05.000"), f.Host, f.Took.Round(time.Millisecond), f.Err))
		}
	}
	if len(asked) == 0 {
		errs = append(errs, errors.New("nobody asked for anything"))
	}
	for h, n := range asked {
		if n < least {
			errs = append(errs, fmt.Errorf("%s was asked %d times, want %d", h, n, least))
		}
	}
	if len(errs) > usersErrsMax {
		errs = append(slices.Clone(errs[:usersErrsMax]), fmt.Errorf("and %d more", len(errs)-usersErrsMax))
	}
	return errors.Join(errs...)
}

// usersErrsMax is how many lost requests are told one by one.
const usersErrsMax = 10
