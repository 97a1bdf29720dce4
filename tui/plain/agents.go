package plain

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/id"
)

// agentItem is a host's agent.
type agentItem struct {
	State         api.AgentState `json:"state"`
	Since         string         `json:"since"`
	Reason        string         `json:"reason"`
	By            string         `json:"by"`
	Version       string         `json:"version"`
	ClockOffset   float64        `json:"clock_offset_ms"`
	RTT           float64        `json:"rtt_ms"`
	Journal       api.State      `json:"journal"`
	JournalReason string         `json:"journal_reason"`
}

type linkItem struct {
	item
	Sites [2]string `json:"sites" doc:"the two sites, by name"`
	Via   string    `json:"via" doc:"a site through which they hear of each other while it is cut; empty: none"`
	RTT   float64   `json:"rtt_ms" doc:"a message and its answer; 0 not known"`
}

type groupItem struct {
	item
	Leader   string       `json:"leader" doc:"host that leads it; empty: nobody"`
	Term     uint64       `json:"term" doc:"grows with every election"`
	Quorate  bool         `json:"quorate" doc:"most of its voters take part, so that its facts can change"`
	Voters   int          `json:"voters" doc:"members with a vote"`
	Need     int          `json:"need" doc:"voters that must take part"`
	Active   int          `json:"active" doc:"voters that do"`
	Changing bool         `json:"changing" doc:"its members are being changed"`
	Members  []memberItem `json:"members" doc:"each host, role (voter, learner, witness or leaving), state, reason, active and behind (entries that it lacks)"`
}

type memberItem struct {
	Host   string        `json:"host"`
	Role   api.GroupRole `json:"role"`
	State  api.State     `json:"state"`
	Reason string        `json:"reason"`
	Active bool          `json:"active"`
	Behind uint64        `json:"behind"`
}

func agentOf(a *api.Agent) *agentItem {
	if a.State == "" {
		return nil
	}
	return &agentItem{a.State, stamp(a.Since), a.Reason, a.By, a.Version, ms(a.ClockOffset), ms(a.RTT), a.Journal, a.JournalReason}
}

// clockOf is how far a host's clock is ahead, for the table.
func clockOf(a *api.Agent) string {
	if a.Measured.IsZero() {
		return ""
	}
	return strconv.FormatFloat(ms(a.ClockOffset), 'f', 0, 64)
}

func listLinks(s *api.Status) (all []entry) {
	for i := range s.Links {
		x := &s.Links[i]
		rtt := ""
		if x.Latency > 0 {
			rtt = short(ms(x.Latency))
		}
		all = append(all, entry{
			id.To(id.KindLink, x.Name),
			linkItem{itemOf(x.Name, "", x.State, x.Since, x.Reason), x.Sites, x.Via, ms(x.Latency)},
			[]string{string(x.State), x.Name, x.Via, rtt, x.Reason},
			[]string{string(x.State)},
		})
	}
	return all
}

func listGroups(s *api.Status) (all []entry) {
	for i := range s.Groups {
		x := &s.Groups[i]
		g := groupItem{
			itemOf(x.Name, x.Site, x.State, x.Since, x.Reason), x.Leader, x.Term, x.Quorate, x.Voters, x.Need, x.Active, x.Changing, []memberItem{},
		}
		var members []string
		for _, m := range x.Members {
			g.Members = append(g.Members, memberItem{m.Host, m.Role, m.State, m.Reason, m.Active, m.Behind})
			word := m.Host
			if m.Role != api.GroupVoter {
				word += ":" + string(m.Role)
			}
			if m.State != api.StateOK {
				word += "!"
			}
			members = append(members, word)
		}
		all = append(all, entry{
			id.To(id.KindGroup, x.Name), g,
			[]string{
				string(x.State), x.Name, x.Site, of(x.Active, x.Voters), strconv.Itoa(x.Need), cmp.Or(x.Leader, "nobody"), strconv.FormatUint(x.Term, 10),
				strings.Join(members, ","), x.Reason,
			},
			[]string{string(x.State)},
		})
	}
	return all
}

// explainAgent says what is known of a host's agent.
func explainAgent(a *agentItem, say func(name, format string, args ...any)) {
	if a == nil {
		return
	}
	by := ""
	if a.By != "" {
		by = ", says " + a.By
	}
	say("agent", "%s since %s: %s%s", a.State, a.Since, a.Reason, by)
	if a.Version != "" {
		say("version", "%s", a.Version)
	}
	if a.RTT > 0 {
		say("clock", "%+.0f ms, measured over %s ms there and back", a.ClockOffset, short(a.RTT))
	}
	if a.Journal != api.StateUnknown {
		say("journal", "%s", strings.TrimSuffix(fmt.Sprintf("%s: %s", a.Journal, a.JournalReason), ": "))
	}
}

// agentColumns are those of a table that only a fleet of agents fills.
var agentColumns = map[string]bool{"AGENT": true, "CLOCK MS": true}

// slim is the kind without the columns that this fleet does not fill.
func (k kind) slim(st *api.Status) kind {
	if st.Agents() || !slices.ContainsFunc(k.head, func(h string) bool { return agentColumns[h] }) {
		return k
	}
	head, list := k.head, k.list
	keep := func(cells []string) []string {
		var kept []string
		for i, c := range cells {
			if !agentColumns[head[i]] {
				kept = append(kept, c)
			}
		}
		return kept
	}
	k.head = keep(head)
	k.list = func(st *api.Status) []entry {
		all := list(st)
		for i := range all {
			all[i].row = keep(all[i].row)
		}
		return all
	}
	return k
}
