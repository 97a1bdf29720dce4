package main

import (
	"testing"
	"time"
)

const wrkReport = `Running 3s test @ http://10.99.1.2:7001/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.01ms    1.02ms  30.00ms   90.00%
    Req/Sec    32.10k     1.00k   33.00k    70.00%
  Latency Distribution
     50%    1.92ms
     75%    2.10ms
     90%    2.80ms
     99%    5.31ms
  96300 requests in 3.00s, 15.61MB read
  Socket errors: connect 0, read 3, write 0, timeout 1
  Non-2xx or 3xx responses: 2
Requests/sec:  32096.11
Transfer/sec:      5.20MB
`

func TestParseWrk(t *testing.T) {
	r, requests, bytes, err := parseWrk(wrkReport)
	if err != nil {
		t.Fatal(err)
	}
	mib := 15.61 * (1 << 20)
	if r.rate != 32096.11 || requests != 96300 || bytes != mib {
		t.Errorf("rate %v, requests %v, bytes %v", r.rate, requests, bytes)
	}
	if r.p50 != 1920*time.Microsecond || r.p99 != 5310*time.Microsecond {
		t.Errorf("p50 %v, p99 %v", r.p50, r.p99)
	}
	if r.errors != 6 {
		t.Errorf("errors %d, want 6", r.errors)
	}
	if _, _, _, err := parseWrk("wrk: unable to connect"); err == nil {
		t.Error("a report without figures was read")
	}
}

func TestMedian(t *testing.T) {
	if m := median([]float64{9, 1, 4}); m != 4 {
		t.Errorf("median of three = %v", m)
	}
	if m := median([]float64{1, 4}); m != 2.5 {
		t.Errorf("median of two = %v", m)
	}
}
