package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/holdfast-edge/holdfast/engine/api"
	"github.com/holdfast-edge/holdfast/engine/audit"
	"github.com/holdfast-edge/holdfast/engine/facts"
	"github.com/holdfast-edge/holdfast/engine/system/auditlog"
	"github.com/holdfast-edge/holdfast/engine/system/identity"
	"github.com/holdfast-edge/holdfast/engine/system/statedir"
)

// recorded is a coordinator's client that records every command before it is obeyed,
// under the lease: one that was overtaken neither records nor obeys.
func (a *Agent) recorded(c api.Client, lease facts.Token) api.Client {
	return auditlog.Recorded(c, func(ctx context.Context, e audit.Entry) (audit.Record, error) {
		return a.audit.Append(ctx, e, lease)
	})
}

// lending is the protocol by which other hosts fill gaps in their copies of the
// audit log.
func (a *Agent) lending() identity.Protocol {
	return identity.Protocol{Name: auditlog.ProtocolName, Hosts: true, Serve: func(ctx context.Context, conn *tls.Conn, peer identity.Peer) {
		if peer.Host == "" {
			a.options.Log.Warn("only hosts read the audit log here", "from", peer.String(), "reason", string(api.ReasonNotAllowed))
			return
		}
		if err := auditlog.Lend(ctx, conn, statedir.Audit(a.state.Path)); err != nil && ctx.Err() == nil {
			a.options.Log.Warn("lines of the audit log were not lent", "to", peer.String(), "err", err.Error())
		}
	}}
}

// reading is the protocol by which people read the log of this host. Who did is in the
// log itself.
func (a *Agent) reading() identity.Protocol {
	return identity.Protocol{Name: auditlog.ReadName, Serve: func(ctx context.Context, conn *tls.Conn, peer identity.Peer) {
		if err := a.readTo(ctx, conn, peer); err != nil && ctx.Err() == nil {
			a.options.Log.Warn("the audit log was not read to its end", "by", peer.String(), "err", err.Error())
		}
	}}
}

func (a *Agent) readTo(ctx context.Context, conn *tls.Conn, peer identity.Peer) error {
	if peer.Host == "" && !peer.Role.Includes(api.RoleOperator) {
		return auditlog.Refuse(conn, fmt.Sprintf("%s (the audit log takes the role operator; yours is %s)", api.ReasonNotAllowed.Sentence(), peer.Role))
	}
	if _, has := a.facts.Local(facts.Get{Key: auditlog.HeadKey}); !has {
		return auditlog.Refuse(conn, "this host has no copy of the log")
	}
	name := peer.Person
	if peer.Host != "" {
		name = peer.String()
	}
	if _, err := a.note(ctx, audit.Entry{Kind: audit.KindLook, Name: name, Role: string(peer.Role), From: conn.RemoteAddr().String(), Detail: "the audit log"}); err != nil {
		return auditlog.Refuse(conn, api.ReasonNotRecorded.Sentence())
	}
	return auditlog.Serve(ctx, conn, statedir.Audit(a.state.Path))
}

// mirrorAgain is how long a copy that ended is left alone.
const mirrorAgain = 5 * time.Second

// mirror keeps a copy of the audit log in files while this host has the fleet's
// facts.
func (a *Agent) mirror(ctx context.Context) {
	for ctx.Err() == nil {
		if _, has := a.facts.Local(facts.Get{Key: auditlog.HeadKey}); !has {
			pause(ctx, a.quorum.Changed(), mirrorAgain)
			continue
		}
		within, end := context.WithCancel(ctx)
		changed := make(chan struct{}, 1)
		a.all.Go(func() {
			for range a.facts.Watch(within, auditlog.HeadKey) {
				select {
				case changed <- struct{}{}:
				default:
				}
			}
		})
		err := a.audit.Mirror(within, auditlog.MirrorOptions{
			Dir: statedir.Audit(a.state.Path), Changed: changed, Lenders: a.lenders, Log: a.options.Log,
		})
		end()
		if err != nil {
			a.options.Log.Error("the copy of the audit log on this host is not kept", "err", err.Error())
			pause(ctx, nil, mirrorAgain)
		}
	}
}

// lenders are the other hosts that keep copies.
func (a *Agent) lenders() []auditlog.Lender {
	var all []auditlog.Lender
	st := a.quorum.Status()
	for i := range st.Groups {
		if st.Groups[i].Group != groupFleet {
			continue
		}
		for _, m := range st.Groups[i].Members {
			if m.Host == a.options.Host || m.Witness {
				continue
			}
			all = append(all, auditlog.Lender{Host: m.Host, Dial: func(ctx context.Context) (net.Conn, error) {
				address, ok := a.address(m.Host)
				if !ok {
					return nil, api.ErrUnreachable
				}
				d := tls.Dialer{Config: a.holder.Client(auditlog.ProtocolName, func(p identity.Peer) error { return p.IsHost(m.Host) })}
				return d.DialContext(ctx, "tcp", address)
			}})
		}
	}
	return all
}

// console serves people beside the agent.
func (a *Agent) console(ctx context.Context) {
	if a.options.Console == nil {
		return
	}
	if err := a.options.Console(ctx, a.client, func(e audit.Entry) (audit.Record, error) { return a.note(ctx, e) }); err != nil && ctx.Err() == nil {
		a.options.Log.Error("the console is not served", "err", err.Error())
	}
}

// noteWait is how long a record of the console may wait for the fleet's chain.
const noteWait = 3 * time.Second

// note records what somebody does at this agent's console: in the fleet's chain, or,
// while that cannot be reached, in one of this host's own. Who looks after a site
// that is cut off must get in, and it must be known all the same.
func (a *Agent) note(ctx context.Context, e audit.Entry) (audit.Record, error) {
	within, cancel := context.WithTimeout(ctx, noteWait)
	defer cancel()
	r, err := a.audit.Append(within, e)
	if err == nil {
		return r, nil
	}
	own, failed := auditlog.Open(auditlog.Options{Dir: statedir.Audit(a.state.Path) + "-alone"})
	if failed != nil {
		return audit.Record{}, errors.Join(err, failed)
	}
	r, failed = own.Append(e)
	return r, errors.Join(failed, own.Close())
}
