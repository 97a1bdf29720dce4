// Package metrics serves a fleet's picture to machines: /metrics in the text
// format of Prometheus (version 0.0.4), /live and /ready for supervisors.
//
// It reads api.Client like every face and counts nothing itself, so a scrape and
// a screen of the same moment agree. All labels are names from the spec and words
// of closed sets; nothing that a user of the service sends becomes a label, so
// the number of series grows with the spec only. Counters go on when a host or a
// backend is restarted; they begin anew with the process that draws the picture.
//
// The endpoint is read-only and asks nobody who he is: bind it to an address that
// only the monitoring reaches.
//
// # Live and ready
//
// /live says 200 while the fleet draws its picture, and 503 when it has not for
// ten seconds: a restart may mend that. /ready says 200 when every listener is
// bound on all its hosts and every pool has a backend that takes new flows, and
// 503 with what is missing otherwise; a restart would mend nothing of that.
//
// # Metrics
//
// Each THING stands for site, host, listener, pool, backend and clients. A thing
// has its name as a label, and those of what it belongs to: backend, pool and site
// of a backend; the labels below come on top.
//
//	holdfast_THING_requests_total       counter  requests; flows where there are no requests
//	holdfast_THING_errors_total         counter  those that failed: 5xx, refused, reset or timed out
//	holdfast_THING_retries_total        counter  requests that were tried again
//	holdfast_THING_connections_total    counter  flows that were opened
//	holdfast_THING_connections          gauge    flows that are open
//	holdfast_THING_bytes_total          counter {direction}  in from clients, out to them
//	holdfast_THING_latency_seconds      summary {quantile}  0.5, 0.9 and 0.99 of the last ten seconds, NaN without traffic; _sum and _count since the start
//	holdfast_THING_state                gauge {state}  1 for the state it is in: ok, degraded, down, unknown
//	holdfast_THING_state_since_seconds  gauge    when it came into its state, Unix time
//
//	holdfast_listener_bound             gauge {listener, site, host, protocol}  1 where a host has the listener's address
//
//	holdfast_pool_backends              gauge {pool, site}  backends in the pool
//	holdfast_pool_backends_up           gauge {pool, site}  those that serve or stand by
//	holdfast_pool_panic                 gauge {pool, site}  1 while too few are up, so that all are used
//	holdfast_pool_detection_seconds     gauge {pool, site}  worst time from a fault until a backend takes no new flows
//
//	holdfast_backend_health             gauge {backend, pool, site, view}  1 up, 0 down, -1 unknown; measured, forced, effective
//	holdfast_backend_phase              gauge {backend, pool, site, phase}  1 for the phase of its life in the pool
//	holdfast_backend_weight             gauge {backend, pool, site}  in force, 0 to 100
//	holdfast_backend_share              gauge {backend, pool, site}  of the pool's new flows that it should get, 0 to 1
//
//	holdfast_fleet_info                 gauge {fleet, world}  1
//	holdfast_fleet_state                gauge {state}  1 for the state the fleet is in
//	holdfast_fleet_start_time_seconds   gauge    when it was started, Unix time
//	holdfast_fleet_spec_revision        gauge    of the spec in force
//	holdfast_fleet_events_total         counter  events since it was started
//	holdfast_fleet_picture_age_seconds  gauge    how old the picture is that all of this was read from
//	holdfast_fleet_problems             gauge {state}  things that need a person, by how bad they are
//	holdfast_host_dropped_total         counter {host, site}  events that a host had no room for
//	holdfast_host_report_age_seconds    gauge {host, site}  how old a host's own report is
//
//	holdfast_faults                     gauge {kind}  in force that were injected on purpose
//	holdfast_drill_runs_total           counter {drill}  since the fleet was started
//	holdfast_drill_live                 gauge {drill}  1 while it is under way
//	holdfast_drill_passed               gauge {drill}  1 when the last run that ended passed; absent before
//
//	holdfast_build_info                 gauge {version, go_version}  1
//	go_goroutines                       gauge    that exist
//	process_cpu_seconds_total           counter  processor time that was used
//	process_resident_memory_bytes       gauge    that is resident
//	process_open_fds                    gauge    file descriptors that are open
//	process_max_fds                     gauge    file descriptors that may be open
package metrics
