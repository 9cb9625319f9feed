// Package bindtest starts real BIND name servers for tests, on loopback, in
// temporary folders. Start is the function to call; what it starts is ended
// with the test.
package bindtest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/certkeep/certkeep/internal/servertest"
)

// Zone is one zone to serve.
type Zone struct {
	Name    string
	Records string // lines of a zone file beside SOA and NS; names are relative to the zone
	// Policy replaces the right of the server's key to change anything: what
	// stands between the braces of update-policy.
	Policy string
}

// Server is a running named. It is authoritative for its zones, and answers
// no recursive questions.
type Server struct {
	Address string // "host:port"
	KeyName string
	KeyFile []byte // in BIND's format; its key may update all zones without a Policy
}

// Start starts named with zones and waits until it answers. Where BIND is not
// installed the test is skipped, or fails with CI set.
func Start(t testing.TB, zones ...Zone) *Server {
	t.Helper()
	return StartAt(t, servertest.FreeAddress(t), zones...)
}

// StartAt starts named as Start does, on an address of 127.0.0.1 that is known
// to be free.
func StartAt(t testing.TB, address string, zones ...Zone) *Server {
	t.Helper()
	return start(t, address, "hmac-sha256", zones)
}

// StartWith starts named as Start does, with a key of that algorithm.
func StartWith(t testing.TB, algorithm string, zones ...Zone) *Server {
	t.Helper()
	return start(t, servertest.FreeAddress(t), algorithm, zones)
}

func start(t testing.TB, address, algorithm string, zones []Zone) *Server {
	t.Helper()
	program := servertest.Find(t, "named")
	dir := t.TempDir()
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		t.Fatal(err)
	}
	// named listens only on addresses that an interface has: 127.0.0.1.
	s := &Server{Address: address, KeyName: "update"}
	s.KeyFile = fmt.Appendf(nil, "key %q {\n\talgorithm %s;\n\tsecret %q;\n};\n", s.KeyName, algorithm, base64.StdEncoding.EncodeToString(key))
	s.configure(t, dir, zones)
	process := servertest.Start(t, syscall.SIGTERM, program, "-c", filepath.Join(dir, "named.conf"), "-f", "-n", "1")
	process.Ready(t, filepath.Join(dir, "named.log"), func(ctx context.Context) error { return s.serves(ctx, zones) })
	return s
}

func (s *Server) configure(t testing.TB, dir string, zones []Zone) {
	t.Helper()
	host, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var config strings.Builder
	fmt.Fprintf(&config, `%s
options {
	directory %[2]q; pid-file "named.pid"; session-keyfile "session.key"; lock-file none;
	listen-on port %[3]s { %[4]s; }; listen-on-v6 { none; };
	recursion no; allow-query { any; }; dnssec-validation no; notify no; minimal-responses no;
};
controls { };
logging { channel file { file "named.log"; severity info; }; category default { file; }; category update { file; }; category update-security { file; }; };
`, s.KeyFile, dir, port, host)
	for i, zone := range zones {
		right := fmt.Sprintf("allow-update { key %q; };", s.KeyName)
		if zone.Policy != "" {
			right = "update-policy { " + zone.Policy + " };"
		}
		file := fmt.Sprintf("zone%d.db", i)
		fmt.Fprintf(&config, "zone %q { type primary; file %q; %s };\n", zone.Name, file, right)
		write(file, fmt.Sprintf("$TTL 1\n@ IN SOA ns1 hostmaster 1 60 60 600 1\n@ IN NS ns1\nns1 IN A %s\n%s\n", host, zone.Records))
	}
	write("named.conf", config.String())
}

// serves reports whether named answers for every zone.
func (s *Server) serves(ctx context.Context, zones []Zone) error {
	for _, zone := range zones {
		r, err := s.query(ctx, zone.Name, dns.TypeSOA)
		if err != nil {
			return err
		}
		if r.Rcode != dns.RcodeSuccess || !r.Authoritative {
			return fmt.Errorf("%s: %s", zone.Name, dns.RcodeToString[r.Rcode])
		}
	}
	return nil
}

func (s *Server) query(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), kind)
	client := dns.Client{Net: "tcp", Timeout: 5 * time.Second}
	r, _, err := client.ExchangeContext(ctx, m, s.Address)
	return r, err
}

// Set returns the records of a type that the server has at name, as a zone
// file would have them behind the name: TTL, class, type and value, sorted.
func (s *Server) Set(t testing.TB, name, kind string) []string {
	t.Helper()
	r, err := s.query(t.Context(), name, dns.StringToType[kind])
	if err != nil {
		t.Fatal(err)
	}
	var records []string
	for _, rr := range r.Answer {
		if strings.EqualFold(rr.Header().Name, dns.Fqdn(name)) {
			_, rest, _ := strings.Cut(rr.String(), "\t")
			records = append(records, strings.ReplaceAll(rest, "\t", " "))
		}
	}
	slices.Sort(records)
	return records
}

// Serial returns the serial number of a zone: it grows with each change.
func (s *Server) Serial(t testing.TB, zone string) uint32 {
	t.Helper()
	r, err := s.query(t.Context(), zone, dns.TypeSOA)
	if err != nil {
		t.Fatal(err)
	}
	for _, rr := range r.Answer {
		if soa, ok := rr.(*dns.SOA); ok {
			return soa.Serial
		}
	}
	t.Fatalf("%s has no SOA record", zone)
	return 0
}

// TXT returns the texts that the server has at name, sorted.
func (s *Server) TXT(t testing.TB, name string) []string {
	t.Helper()
	r, err := s.query(t.Context(), name, dns.TypeTXT)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, rr := range r.Answer {
		if txt, ok := rr.(*dns.TXT); ok && strings.EqualFold(txt.Hdr.Name, dns.Fqdn(name)) {
			texts = append(texts, strings.Join(txt.Txt, ""))
		}
	}
	slices.Sort(texts)
	return texts
}
