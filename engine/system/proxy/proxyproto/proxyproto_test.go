package proxyproto_test

import (
	"bufio"
	"bytes"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/holdfast-edge/holdfast/engine/system/proxy/proxyproto"
)

func header(s, d string) proxyproto.Header {
	return proxyproto.Header{Source: netip.MustParseAddrPort(s), Destination: netip.MustParseAddrPort(d)}
}

func TestWhatIsWrittenIsReadAndNothingBehindIt(t *testing.T) {
	for _, h := range []proxyproto.Header{
		header("10.0.0.1:1234", "10.0.0.2:80"),
		header("[2001:db8::1]:1234", "[2001:db8::2]:443"),
		{Local: true},
	} {
		for name, b := range map[string][]byte{"v1": proxyproto.AppendV1(nil, h), "v2": proxyproto.AppendV2(nil, h)} {
			r := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(b), strings.NewReader("GET /")), 16)
			got, err := proxyproto.Read(r, true, true)
			if err != nil || got != h {
				t.Errorf("%s: read %+v, %v; want %+v", name, got, err, h)
			}
			if rest, _ := io.ReadAll(r); string(rest) != "GET /" {
				t.Errorf("%s: behind the header is %q", name, rest)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	for name, s := range map[string]string{
		"none":              "GET / HTTP/1.1\r\n",
		"other family":      "PROXY TCP4 ::1 ::1 1 2\r\n",
		"big port":          "PROXY TCP4 1.2.3.4 1.2.3.4 99999 2\r\n",
		"bare LF":           "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
		"no end":            "PROXY TCP4 " + strings.Repeat("1", 200) + "\r\n",
		"v2 version":        "\r\n\r\n\x00\r\nQUIT\n\x31\x11\x00\x00",
		"v2 short":          "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x04aaaa",
		"v2 cut":            "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0caaaa",
		"v2 bad signature":  "\r\n\r\n\x00\r\nQUIX\n\x21\x11\x00\x00",
		"v2 huge":           "\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff",
		"v2 unknown action": "\r\n\r\n\x00\r\nQUIT\n\x25\x11\x00\x00",
	} {
		if h, err := proxyproto.Read(bufio.NewReader(strings.NewReader(s)), true, true); err == nil {
			t.Errorf("%s: read %+v", name, h)
		}
	}
	v1 := string(proxyproto.AppendV1(nil, header("10.0.0.1:1", "10.0.0.2:2")))
	if _, err := proxyproto.Read(bufio.NewReader(strings.NewReader(v1)), false, true); err == nil {
		t.Error("version 1 was read although only 2 is accepted")
	}
}

func TestTLVsAreSkipped(t *testing.T) {
	b := proxyproto.AppendV2(nil, header("10.0.0.1:1234", "10.0.0.2:80"))
	b[15] += 7
	b = append(b, 0x04, 0, 4, 0, 0, 0, 0)
	b = append(b, "rest"...)
	r := bufio.NewReader(bytes.NewReader(b))
	if h, err := proxyproto.Read(r, true, true); err != nil || h.Source.Port() != 1234 {
		t.Fatalf("%+v, %v", h, err)
	}
	if rest, _ := io.ReadAll(r); string(rest) != "rest" {
		t.Errorf("behind the header is %q", rest)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(proxyproto.AppendV1(nil, header("10.0.0.1:1234", "10.0.0.2:80")))
	f.Add(proxyproto.AppendV2(nil, header("[2001:db8::1]:1234", "[2001:db8::2]:443")))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := proxyproto.Read(bufio.NewReader(bytes.NewReader(b)), true, true)
		if err == nil && !h.Local && !h.Source.IsValid() {
			t.Errorf("a header without a source: %+v", h)
		}
	})
}
