package config

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// StatusListener is where the status page, its JSON and metrics are shown.
type StatusListener struct {
	Address string   // host:port, or unix: and an absolute path; "" shows them nowhere
	Group   string   // whose members may connect to the socket; "" is the running user's
	Hosts   []string // names under which it may be asked, besides this machine's own
	Token   string   // file of what whoever asks has to know; "" asks for none
}

// leastToken is how many bytes a token has at least: no number of guesses finds
// one of that length, so they need not be counted.
const leastToken = 20

// ReadToken is what whoever asks has to know; nil where nothing is asked for.
func (s StatusListener) ReadToken() ([]byte, error) {
	if s.Token == "" {
		return nil, nil
	}
	token, err := SecretRef{File: s.Token}.Read()
	if err == nil && len(token) < leastToken {
		return nil, fmt.Errorf("the token in %s has fewer than %d characters", s.Token, leastToken)
	}
	return token, err
}

// DefaultStatus is where the status is shown unless the config says otherwise.
const DefaultStatus = "127.0.0.1:9780"

// unixPrefix begins the address of a unix socket.
const unixPrefix = "unix:"

// Socket is the path of the unix socket; "" where the address is a port.
func (s StatusListener) Socket() string {
	path, ok := strings.CutPrefix(s.Address, unixPrefix)
	if !ok {
		return ""
	}
	return path
}

// Open reports whether others than this machine can connect.
func (s StatusListener) Open() bool {
	if s.Address == "" || s.Socket() != "" {
		return false
	}
	host, _, err := net.SplitHostPort(s.Address)
	if err != nil {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err != nil || !addr.IsLoopback()
}

// statusKey is the key `listen.status`.
func statusKey() key[Listen] {
	isOff := func(s StatusListener) bool { return s.Address == "" }
	plain := as(statusAddress(),
		func(_ *reader, _ *node, addr string) (StatusListener, bool) {
			return StatusListener{Address: addr}, true
		},
		func(s StatusListener) (string, bool) {
			return s.Address, s.Address != "" && s.Group == "" && len(s.Hosts) == 0 && s.Token == ""
		})
	inner := plain.read
	plain.read = func(r *reader, n *node, s *StatusListener) {
		inner(r, n, s)
		checkStatus(r, n, s)
	}
	return fieldOr("status", either("an address, a table or false", `"127.0.0.1:9780"`, plain, statusTable(), off(StatusListener{}, isOff)),
		func(l *Listen) *StatusListener { return &l.Status }, StatusListener{Address: DefaultStatus}, about{
			doc: "Where `certkeep run` shows its status page, JSON and metrics, for reading only: an address, \"unix:\" and the path of a socket, or {address: …}; `false` shows them nowhere. An address that others can reach needs a `token_file`.",
		})
}

func statusTable() shape[StatusListener] {
	s := object("status", "Where the status is shown.", []key[StatusListener]{
		fieldOr("address", statusAddress(), func(s *StatusListener) *string { return &s.Address }, DefaultStatus, about{
			doc: "An address such as \"127.0.0.1:9780\", or \"unix:\" and the path of a socket, which gets mode 0660.",
		}),
		field("group", userName(), func(s *StatusListener) *string { return &s.Group }, about{
			doc: "Group whose members may connect to the socket.", standard: "that of the running user", example: "www-data", off: true,
		}),
		field("hosts", filled(listOf(askedName(), "a list of names", "[status.example.com]")), func(s *StatusListener) *[]string { return &s.Hosts }, about{
			doc: "Names by which browsers ask, where a web server passes them on. This machine's own addresses and localhost need not be named; any other Host is refused.", standard: "none", example: "[status.example.com]", off: true,
		}),
		field("token_file", checked("an absolute path", "/etc/certkeep/status.token", checkSecretFile), func(s *StatusListener) *string { return &s.Token }, about{
			doc: "File of a token, of 20 characters at least, that whoever asks has to know: as `Authorization: Bearer`, or in the form that the page shows. Required where others than this machine can connect; put TLS before it there.", standard: "none", example: "/etc/certkeep/status.token", off: true,
		}),
	}, checkStatus)
	s.kinds = table
	show := s.show
	s.show = func(v StatusListener) *node {
		if v.Address == "" {
			return nil
		}
		return show(v)
	}
	return s
}

// checkStatus refuses what would show the status to everybody.
func checkStatus(r *reader, n *node, s *StatusListener) {
	r.mark("listen.status", n)
	if s.Open() && s.Token == "" {
		r.out.add(n.at, fmt.Sprintf("at %q others than this machine can read the status", shorten(s.Address)),
			"name a token_file, or listen at a loopback address or a unix socket, with a web server before it")
	}
	if s.Group != "" && s.Socket() == "" {
		r.out.add(n.placeOf("group"), "a group is that of a unix socket, and the address is none", `write "unix:" and a path as the address`)
	}
}

// statusAddress is an address, or that of a unix socket.
func statusAddress() shape[string] {
	tcp := address()
	s := scalar(text|number, "an address", `"127.0.0.1:9780"`, func(r *reader, n *node) (string, string, string) {
		path, ok := strings.CutPrefix(n.text, unixPrefix)
		if n.kind == text && ok {
			wrong, hint := checkPath(path)
			return n.text, wrong, hint
		}
		addr := ""
		tcp.read(r, n, &addr)
		return addr, "", ""
	}, showText)
	s.json = func() *jsonSchema { return &jsonSchema{Type: "string"} }
	return s
}

// askedName is a name that browsers send as Host.
func askedName() shape[string] {
	return scalar(text, "a name", "status.example.com", func(_ *reader, n *node) (string, string, string) {
		name, wrong, hint := checkName(n.text)
		if wrong == "" && strings.HasPrefix(name, "*.") {
			return "", fmt.Sprintf("%q is not one name", name), "name each"
		}
		return name, wrong, hint
	}, showText)
}

// metricsKey is the key `metrics_file`.
func metricsKey() key[Config] {
	return field("metrics_file", absolute("/var/lib/prometheus/node-exporter/certkeep.prom"), func(c *Config) *string { return &c.Metrics }, about{
		doc: "File that `certkeep apply` and other commands that do something leave metrics in for the textfile collector of Prometheus' node_exporter, where no daemon runs. Its folder must exist.", standard: "none", example: "/var/lib/prometheus/node-exporter/certkeep.prom", off: true,
	})
}
