package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// ctLogs are the two logs of acmebot's sample. Only their ids are known to it:
// what they sign is looked at by nobody.
type ctLogs struct {
	url string
	key *ecdsa.PrivateKey

	mu    sync.Mutex // guards what follows
	taken int        // certificates
}

func newCTLogs(t *testing.T) *ctLogs {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	l := &ctLogs{key: key}
	server := httptest.NewServer(l)
	t.Cleanup(server.Close)
	l.url = server.URL
	return l
}

// ServeHTTP takes a certificate (RFC 6962 section 4.1).
func (l *ctLogs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := map[string]string{
		"/pilot/ct/v1/add-chain":  "pLkJkLQYWBSHuxOizGdwCjw1mAT5G9+443fNDsgN3BA=",
		"/icarus/ct/v1/add-chain": "KTxRllTIOWW6qlD8WAfUt2+/WHopctykwwz05UVH9Hg=",
	}[r.URL.Path]
	var body struct{ Chain [][]byte }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || id == "" || len(body.Chain) < 2 {
		http.Error(w, "no log, or no chain", http.StatusBadRequest)
		return
	}
	sum := sha256.Sum256(body.Chain[0])
	signature, err := ecdsa.SignASN1(rand.Reader, l.key, sum[:])
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	l.mu.Lock()
	l.taken++
	l.mu.Unlock()
	signed := append([]byte{4, 3, 0, byte(len(signature))}, signature...)
	fmt.Fprintf(w, `{"sct_version":0,"id":%q,"timestamp":%d,"extensions":"","signature":%q}`, id, time.Now().UnixMilli(), base64.StdEncoding.EncodeToString(signed))
}

func (l *ctLogs) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.taken
}

// serveInstalled serves what is installed at the ports of the sample: HTTPS
// with the header that nginx would send, SMTP, and IMAP over TLS. A handshake
// reads the files anew, as a server does that was reloaded.
func (b *bot) serveInstalled(certificates map[string][]string) {
	b.Helper()
	config := &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		for name, hosts := range certificates {
			for _, host := range hosts {
				if host == hello.ServerName {
					return b.installed(hello, name)
				}
			}
		}
		return nil, fmt.Errorf("no certificate for %q", hello.ServerName)
	}}
	b.serve(443, func(conn net.Conn) { b.answerHTTP(tls.Server(conn, config)) })
	b.serve(993, func(conn net.Conn) { _ = tls.Server(conn, config).Handshake() })
	b.serve(25, func(conn net.Conn) { _ = answerSMTP(conn, config) })
}

// installed is the certificate that a client can use, with its OCSP response.
func (b *bot) installed(hello *tls.ClientHelloInfo, name string) (*tls.Certificate, error) {
	failure := errors.New("none of its key types is installed")
	for _, kind := range []string{"ecdsa", "rsa"} {
		pair, err := tls.LoadX509KeyPair(b.at("etc/ssl/certs/"+name+"."+kind+".pem"), b.at("etc/ssl/private/"+name+"_full."+kind+".key"))
		if err != nil {
			continue
		}
		if failure = hello.SupportsCertificate(&pair); failure == nil {
			pair.OCSPStaple, err = os.ReadFile(b.at("etc/ssl/ocsp/" + name + "." + kind + ".ocsp"))
			return &pair, err
		}
	}
	return nil, failure
}

// serve hands connections at a port to what answers them.
func (b *bot) serve(port int, answer func(net.Conn)) {
	b.Helper()
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				answer(conn)
			}()
		}
	}()
}

// answerHTTP answers each request with the header that is installed for nginx.
func (b *bot) answerHTTP(conn *tls.Conn) {
	request, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	_ = request.Body.Close()
	text, err := os.ReadFile(b.at("etc/ssl/hpkp/example.com.nginx"))
	if err != nil {
		return
	}
	header := strings.TrimSuffix(strings.TrimPrefix(string(text), `add_header Public-Key-Pins "`), "\" always;\n")
	fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nPublic-Key-Pins: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", strings.ReplaceAll(header, `\"`, `"`))
}

// answerSMTP goes as far as STARTTLS (RFC 3207).
func answerSMTP(conn net.Conn, config *tls.Config) error {
	lines := bufio.NewScanner(conn)
	fmt.Fprint(conn, "220 smtp.example.com ESMTP\r\n")
	for lines.Scan() {
		switch word, _, _ := strings.Cut(strings.ToUpper(lines.Text()), " "); word {
		case "EHLO":
			fmt.Fprint(conn, "250-smtp.example.com\r\n250 STARTTLS\r\n")
		case "STARTTLS":
			fmt.Fprint(conn, "220 go ahead\r\n")
			return tls.Server(conn, config).Handshake()
		default:
			fmt.Fprint(conn, "502 no\r\n")
		}
	}
	return lines.Err()
}
