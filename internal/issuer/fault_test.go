package issuer

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/plan"
)

// serve runs a web server with TLS and returns the CA that believes it.
func serve(t *testing.T, h http.Handler, change ...func(*Config)) (*httptest.Server, *CA) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = quiet()
	s.StartTLS()
	t.Cleanup(s.Close)
	cfg := Config{
		ID: "web", Directory: s.URL + "/dir", UserAgent: userAgent,
		Roots: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}),
	}
	for _, c := range change {
		c(&cfg)
	}
	ca, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ca.Close)
	return s, ca
}

// endless writes until the client has enough.
func endless(w http.ResponseWriter, status int) {
	w.WriteHeader(status)
	for chunk := []byte(strings.Repeat("all work and no play ", 1000)); ; {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// badDirectory is what answers in place of a CA, and what is said of it.
type badDirectory struct {
	name  string
	code  plan.Code
	words string // in the error
	h     http.HandlerFunc
}

func badDirectories() []badDirectory {
	return []badDirectory{
		{"HTML", plan.CodeCAGarbage, "no ACME directory", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "<html><title>Welcome to our hotel</title></html>")
		}},
		{"nothing", plan.CodeCAGarbage, "no ACME directory", func(http.ResponseWriter, *http.Request) {}},
		{"another document", plan.CodeCAGarbage, "newNonce", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"hello":"world"}`)
		}},
		{"wrong types", plan.CodeCAGarbage, "no ACME directory", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"newNonce":42}`)
		}},
		{"plain HTTP inside", plan.CodeCAGarbage, "not HTTPS", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"newNonce":"http://ca.test/","newAccount":"https://ca.test/","newOrder":"https://ca.test/"}`)
		}},
		{"404", plan.CodeCAGarbage, "HTTP status 404", http.NotFound},
		{"500 in HTML", plan.CodeCAError, "it begins: <h1>oops</h1>", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(w, "<h1>oops</h1>\r\n\x1b[31m")
		}},
		{"304", plan.CodeCAGarbage, "HTTP status 304", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotModified)
		}},
		{"too many requests", plan.CodeRateLimited, "asked again in 1m0s", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusTooManyRequests)
		}},
		{"endless", plan.CodeCAGarbage, "more than 256 KiB", func(w http.ResponseWriter, _ *http.Request) {
			endless(w, http.StatusOK)
		}},
		{"endless error", plan.CodeCAError, "cut off after 64 KiB", func(w http.ResponseWriter, _ *http.Request) {
			endless(w, http.StatusBadGateway)
		}},
		{"redirected for ever", plan.CodeCAGarbage, "more than 5 times", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/dir", http.StatusFound)
		}},
		{"redirected to plain HTTP", plan.CodeCAGarbage, "not HTTPS", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}},
		{"redirected to a file", plan.CodeCAGarbage, "not HTTPS", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		}},
		{"cut off", plan.CodeNetwork, "EOF", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"newNonce":`)
		}},
	}
}

// TestBadDirectories are what answers in place of a CA.
func TestBadDirectories(t *testing.T) {
	for _, test := range badDirectories() {
		t.Run(test.name, func(t *testing.T) {
			_, ca := serve(t, test.h)
			_, err := ca.Meta(t.Context())
			e := failure(t, err)
			if e.Code != test.code || e.Op != "fetch the directory" {
				t.Errorf("error %+v, want %s", e, test.code)
			}
			if s := e.Error(); !strings.Contains(s, test.words) || s != clean(s, 4000) {
				t.Errorf("error %q, want %q in it, and nothing that a log could choke on", s, test.words)
			}
		})
	}
}

func TestNoNonce(t *testing.T) {
	_, ca := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/dir" {
			quietDirectory(w, r)
		}
	}))
	_, err := ca.Register(t.Context(), Registration{Key: newKey(t)})
	if e := failure(t, err); e.Code != plan.CodeCAGarbage || !errors.Is(err, errNoNonce) {
		t.Errorf("error %+v, want ca-garbage", e)
	}
}

// TestUnreachable are failures below HTTP.
func TestUnreachable(t *testing.T) {
	secure, _ := serve(t, http.NotFoundHandler())
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, directory string
		blame           plan.Blame
		words           string
	}{
		{"nobody there", "https://" + nobody + "/dir", plan.BlameNetwork, "nobody answers"},
		{"a root that is not ours", secure.URL + "/dir", plan.BlameAdmin, "roots_file"},
		{"no TLS", strings.Replace(plain.URL, "http:", "https:", 1), plan.BlameAdmin, "does not speak TLS"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ca, err := New(Config{ID: "x", Directory: test.directory, UserAgent: userAgent})
			if err != nil {
				t.Fatal(err)
			}
			_, err = ca.Meta(t.Context())
			if e := failure(t, err); e.Code != plan.CodeNetwork || e.Blame != test.blame || !strings.Contains(e.Error(), test.words) {
				t.Errorf("error %+v (%s), want ca-unreachable by %s with %q", e, e, test.blame, test.words)
			}
		})
	}
}

func TestNameThatIsNone(t *testing.T) {
	lost := &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "ca.test", IsNotFound: true}}
	code, blame, err := networkFault(lost)
	if code != plan.CodeNetwork || blame != plan.BlameNetwork || !errors.Is(err, lost.Err) {
		t.Errorf("%s by %s: %v", code, blame, err)
	}
}

// TestCertificateOfAnotherTime is what a wrong clock of ours looks like.
func TestCertificateOfAnotherTime(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		name  string
		start time.Duration // from now
		code  plan.Code
		blame plan.Blame
	}{
		{"ten years ago", -3650 * day, plan.CodeClock, plan.BlameAdmin},
		{"in ten years", 3650 * day, plan.CodeClock, plan.BlameAdmin},
		{"ended yesterday", -2 * day, plan.CodeNetwork, plan.BlameCA},
	} {
		t.Run(test.name, func(t *testing.T) {
			key := newKey(t)
			text, err := chain.SelfSigned(key, []string{"127.0.0.1"}, time.Now().Add(test.start), day)
			if err != nil {
				t.Fatal(err)
			}
			block, _ := pem.Decode(text)
			l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
				Certificates: []tls.Certificate{{Certificate: [][]byte{block.Bytes}, PrivateKey: key}},
			})
			if err != nil {
				t.Fatal(err)
			}
			s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.NotFoundHandler(), ErrorLog: quiet()}}
			s.Start()
			t.Cleanup(s.Close)
			ca, err := New(Config{ID: "x", Directory: "https://" + l.Addr().String() + "/dir", UserAgent: userAgent, Roots: text})
			if err != nil {
				t.Fatal(err)
			}
			_, err = ca.Meta(t.Context())
			if e := failure(t, err); e.Code != test.code || e.Blame != test.blame {
				t.Errorf("error %+v, want %s by %s", e, test.code, test.blame)
			}
		})
	}
}

func TestBadConfig(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no URL":        {ID: "x", Directory: "letsencrypt", UserAgent: userAgent},
		"another URL":   {ID: "x", Directory: "ftp://ca.test/", UserAgent: userAgent},
		"no User-Agent": {ID: "x", Directory: "https://ca.test/"},
		"roots":         {ID: "x", Directory: "https://ca.test/", UserAgent: userAgent, Roots: []byte("hello")},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestOneCAHangs shows that it takes nothing of another.
func TestOneCAHangs(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	_, hanging := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	_, healthy := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !quietDirectory(w, r) {
			w.Header().Set("Location", "https://"+r.Host+"/account/1")
			writeJSON(w, http.StatusCreated, `{"status":"valid"}`)
		}
	}))
	failed := make(chan error)
	go func() {
		_, err := hanging.Register(t.Context(), Registration{Key: newKey(t)})
		failed <- err
	}()
	<-arrived
	if _, err := healthy.Register(t.Context(), Registration{Key: newKey(t)}); err != nil {
		t.Errorf("the healthy CA: %v", err)
	}
	close(release)
	if err := <-failed; err == nil {
		t.Error("the hanging CA registered an account")
	}
}

// TestProxy goes through an HTTP proxy.
func TestProxy(t *testing.T) {
	agents := make(chan string, 10)
	ca, err := serveBehindProxy(t, agents)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ca.Meta(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := <-agents; got != userAgent {
		t.Errorf("User-Agent %q, want %q", got, userAgent)
	}
}

// serveBehindProxy returns a CA at an address that only its proxy knows.
func serveBehindProxy(t *testing.T, agents chan<- string) (*CA, error) {
	s, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		agents <- r.UserAgent()
		quietDirectory(w, r)
	}))
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != "example.com:443" {
			t.Errorf("%s %s at the proxy", r.Method, r.Host)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		there, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		here, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprint(here, "HTTP/1.1 200 OK\r\n\r\n")
		go pipe(here, there)
		go pipe(there, here)
	}))
	t.Cleanup(proxy.Close)
	return New(Config{
		ID: "x", UserAgent: userAgent, Proxy: mustParse(t, proxy.URL),
		Directory: "https://example.com/dir", // one of the names in httptest's certificate
		Roots:     pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}),
	})
}

// pipe copies until either side ends.
func pipe(to, from net.Conn) {
	defer to.Close()
	_, _ = io.Copy(to, from) // the end of a connection is no failure here
}
