package plain

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

// kind is one kind of thing that get lists.
type kind struct {
	name string // plural, as it is typed
	one  id.Kind
	head []string // of the table
	list func(*api.Status) []entry
	form any // an empty item, for the documentation
}

// entry is one thing of a listing.
type entry struct {
	ref   id.Ref
	item  any // for JSON and YAML
	row   []string
	words []string // state, and phase where it has one: what --until waits for
}

// moving are the columns that change all the time. --watch does not print a
// thing again for them.
var moving = map[string]bool{"REQ/S": true, "P50 MS": true, "P99 MS": true, "ERR %": true, "SHARE %": true, "ACTIVE": true, "CLOCK MS": true, "RTT MS": true}

// mark is what of an entry is worth printing it again.
func (k kind) mark(e entry) string {
	var b strings.Builder
	for i, cell := range e.row {
		if !moving[k.head[i]] {
			b.WriteString(cell)
			b.WriteByte(0)
		}
	}
	return b.String()
}

// kinds are what get lists, in the order in which a fleet is described. Events
// are a stream and have their own way.
func kinds() []kind {
	return []kind{
		{"sites", id.KindSite, []string{"STATE", "SITE", "HOSTS", "POOLS", "BACKENDS", "REQ/S", "P99 MS", "ERR %", "REASON"}, listSites, siteItem{}},
		{"hosts", id.KindHost, []string{"STATE", "HOST", "SITE", "ADDRESS", "AGENT", "CLOCK MS", "REQ/S", "P99 MS", "ERR %", "REASON"}, listHosts, hostItem{}},
		{"listeners", id.KindListener, []string{"STATE", "LISTENER", "SITE", "PROTOCOL", "ADDRESS", "POOL", "REQ/S", "P99 MS", "ERR %", "REASON"}, listListeners, listenerItem{}},
		{"pools", id.KindPool, []string{"STATE", "POOL", "SITE", "UP", "SCHEDULER", "REQ/S", "P99 MS", "ERR %", "REASON"}, listPools, poolItem{}},
		{"backends", id.KindBackend, []string{"STATE", "BACKEND", "POOL", "ADDRESS", "WEIGHT", "SHARE %", "PHASE", "HEALTH", "REQ/S", "P99 MS", "PID", "REASON"}, listBackends, backendItem{}},
		{"clients", id.KindClients, []string{"STATE", "CLIENTS", "SITE", "LISTENER", "REQ/S", "P50 MS", "P99 MS", "ERR %", "REASON"}, listClients, clientsItem{}},
		{"drills", id.KindDrill, []string{"STATE", "DRILL", "PHASE", "RUN", "FAULT", "CLIENTS", "REASON"}, listDrills, drillItem{}},
		{"faults", id.KindFault, []string{"STATE", "FAULT", "KIND", "TARGET", "SINCE", "UNTIL", "BY", "REASON"}, listFaults, faultItem{}},
		{"links", id.KindLink, []string{"STATE", "LINK", "VIA", "RTT MS", "REASON"}, listLinks, linkItem{}},
		{"groups", id.KindGroup, []string{"STATE", "GROUP", "SITE", "VOTERS", "NEED", "LEADER", "TERM", "MEMBERS", "REASON"}, listGroups, groupItem{}},
	}
}

// kindNames are the kinds as they are typed, events last.
func kindNames() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return append(names, "events")
}

// kindOf is the kind of that name, plural or not.
func kindOf(word string) (kind, bool) {
	for _, k := range kinds() {
		if word == k.name || word == string(k.one) {
			return k, true
		}
	}
	return kind{}, false
}

func short(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }

func of(up, all int) string { return fmt.Sprintf("%d/%d", up, all) }

func listSites(s *api.Status) (all []entry) {
	for i := range s.Sites {
		x := &s.Sites[i]
		c, t := x.Counts, trafficOf(x.Traffic)
		all = append(all, entry{
			id.To(id.KindSite, x.Name),
			siteItem{itemOf(x.Name, x.Name, x.State, x.Since, x.Reason), x.Title, c, t},
			[]string{string(x.State), x.Name, of(c.HostsUp, c.Hosts), of(c.PoolsUp, c.Pools), of(c.BackendsUp, c.Backends), short(t.Requests), short(t.P99), short(t.Errors), x.Reason},
			[]string{string(x.State)},
		})
	}
	return all
}

func listHosts(s *api.Status) (all []entry) {
	for i := range s.Hosts {
		x := &s.Hosts[i]
		t := trafficOf(x.Traffic)
		all = append(all, entry{
			id.To(id.KindHost, x.Name),
			hostItem{itemOf(x.Name, x.Site, x.State, x.Since, x.Reason), x.Address, stamp(x.AsOf), agentOf(&x.Agent), t},
			[]string{string(x.State), x.Name, x.Site, x.Address, string(x.Agent.State), clockOf(&x.Agent), short(t.Requests), short(t.P99), short(t.Errors), x.Reason},
			[]string{string(x.State)},
		})
	}
	return all
}

func listListeners(s *api.Status) (all []entry) {
	for i := range s.Listeners {
		x := &s.Listeners[i]
		l := listenerItem{itemOf(x.Name, x.Site, x.State, x.Since, x.Reason), "", x.Protocol, x.Port, x.Pool, []api.Binding{}, trafficOf(x.Traffic)}
		bound := 0
		for _, b := range x.Bindings {
			l.Bindings = append(l.Bindings, b)
			if b.Bound {
				bound++
			}
			if l.Address == "" || b.Bound && bound == 1 {
				l.Address = b.Address
			}
		}
		address := l.Address
		if n := len(x.Bindings); n > 1 {
			address = fmt.Sprintf("%s +%d", address, n-1)
		}
		all = append(all, entry{
			id.To(id.KindListener, x.Name), l,
			[]string{string(x.State), x.Name, x.Site, x.Protocol, address, x.Pool, short(l.Requests), short(l.P99), short(l.Errors), x.Reason},
			[]string{string(x.State)},
		})
	}
	return all
}

func listPools(s *api.Status) (all []entry) {
	for i := range s.Pools {
		x := &s.Pools[i]
		t := trafficOf(x.Traffic)
		all = append(all, entry{
			id.To(id.KindPool, x.Name),
			poolItem{itemOf(x.Name, x.Site, x.State, x.Since, x.Reason), x.Scheduler, x.Up, x.Backends, x.Probe, ms(x.Detection), x.Panic, t},
			[]string{string(x.State), x.Name, x.Site, of(x.Up, x.Backends), x.Scheduler, short(t.Requests), short(t.P99), short(t.Errors), x.Reason},
			[]string{string(x.State)},
		})
	}
	return all
}

func listBackends(s *api.Status) (all []entry) {
	for i := range s.Backends {
		x := &s.Backends[i]
		t := trafficOf(x.Traffic)
		health := string(x.Health.Measured)
		if x.Health.Forced != "" {
			health = fmt.Sprintf("%s, forced %s", x.Health.Measured, x.Health.Forced)
		}
		all = append(all, entry{
			id.To(id.KindBackend, x.Name),
			backendItem{
				itemOf(x.Name, x.Site, x.State, x.Since, x.Reason), x.Address, x.Pool, x.Weight, x.PID, x.Host, healthItem(x.Health), x.Phase, x.Backup,
				x.Share, x.RealShare, ms(x.DrainLeft), t,
			},
			[]string{string(x.State), x.Name, x.Pool, x.Address, strconv.Itoa(x.Weight), short(100 * x.Share), string(x.Phase), health, short(t.Requests), short(t.P99), strconv.Itoa(x.PID), x.Reason},
			[]string{string(x.State), string(x.Phase)},
		})
	}
	return all
}

func listClients(s *api.Status) (all []entry) {
	for i := range s.Clients {
		x := &s.Clients[i]
		t := trafficOf(x.Traffic)
		all = append(all, entry{
			id.To(id.KindClients, x.Name),
			clientsItem{itemOf(x.Name, x.Site, x.State, x.Since, x.Reason), x.Listener, x.LastError, t},
			[]string{string(x.State), x.Name, x.Site, x.Listener, short(t.Requests), short(t.P50), short(t.P99), short(t.Errors), x.Reason},
			[]string{string(x.State)},
		})
	}
	return all
}

func listFaults(s *api.Status) (all []entry) {
	for i := range s.Faults {
		x := &s.Faults[i]
		f := faultItem{itemOf(x.ID, siteOf(s, x.Target), x.State, x.Since, x.Reason), string(x.Kind), x.Target.String(), stamp(x.Until), x.By, ms(x.Delay)}
		all = append(all, entry{
			id.To(id.KindFault, x.ID), f,
			[]string{string(x.State), x.ID, f.Kind, f.Target, clock(f.Since), cmp.Or(clock(f.Until), "cleared"), x.By, x.Reason},
			[]string{string(x.State)},
		})
	}
	return all
}

func siteOf(s *api.Status, ref id.Ref) string {
	if b, ok := s.Backend(ref.Name); ok && ref.Kind == id.KindBackend {
		return b.Site
	}
	return ""
}

// clock is the time of day of a stamp.
func clock(stamp string) string {
	if len(stamp) < len("2006-01-02T15:04:05") {
		return ""
	}
	return stamp[11:19]
}

func drillOf(x *api.Drill) drillItem {
	since := x.Ended
	if since.IsZero() {
		since = x.Started
	}
	return drillItem{itemOf(x.Name, "", drillState(x.Phase), since, x.Reason), x.Why, x.Fault, x.Target, x.Clients, string(x.Phase), x.Run, x.By}
}

func listDrills(s *api.Status) (all []entry) {
	for i := range s.Drills {
		x := &s.Drills[i]
		d := drillOf(x)
		all = append(all, entry{
			id.To(id.KindDrill, x.Name), d,
			[]string{string(d.State), x.Name, d.Phase, strconv.Itoa(x.Run), x.Fault, x.Clients, x.Reason},
			[]string{string(d.State), d.Phase},
		})
	}
	return all
}

func drillState(p api.DrillPhase) api.State {
	switch p {
	case api.DrillPassed:
		return api.StateOK
	case api.DrillFailed:
		return api.StateDown
	case api.DrillChecking, api.DrillRunning, api.DrillReverting, api.DrillSettling, api.DrillAborted, api.DrillRefused:
		return api.StateDegraded
	case api.DrillIdle:
	}
	return api.StateUnknown
}

func eventOf(e *api.Event) eventItem {
	return eventItem{
		itemOf(strconv.FormatUint(uint64(e.Seq), 10), e.Site, e.State, e.At, e.Reason),
		e.Seq, e.Subject.String(), e.Lane, e.Text, e.Host, e.Cause, e.By, e.Receipt,
	}
}
