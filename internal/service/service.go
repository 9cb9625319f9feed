// Package service describes the programs that read certificates: how their
// configuration is checked, how they are told of new files, how one finds out
// whether they run, and which endpoint proves what they present. It holds
// data only. Builtin is the function to call first; package deploy carries
// out what is described here, and package config adds the administrator's own
// services in the same shape.
package service

import (
	"slices"
	"time"
)

// Service is a program that reads certificates.
type Service struct {
	Name string

	// User reads the files, where that is not root ("").
	User string

	// Unit is the systemd unit that is asked and told where systemd runs the
	// machine and knows the unit; "" leaves systemd out.
	Unit string

	// Restart says that the unit is started anew: it reads its files at no
	// other time.
	Restart bool

	// Status exits with 0 while the service runs, PIDFiles (patterns of
	// path/filepath.Match) name where it leaves its process id. They are
	// needed where telling a stopped service would fail, or start it. Where
	// both are empty, Reload is simply carried out.
	Status   []Action
	PIDFiles []string

	// Check tests the service's configuration, Reload makes it read its files
	// again. Each is a list of ways: the first whose program is installed
	// counts. An empty Check means that nothing can be tested.
	Check  []Action
	Reload []Action

	// MinInterval is the least time between two reloads. Whoever decides when
	// to deploy keeps to it; deploying itself never waits.
	MinInterval time.Duration

	// Verify says where the service presents its certificate by default.
	Verify []Endpoint
}

// Action is one thing to do: a command, or a signal.
type Action struct {
	Args  []string // the program, then its exact arguments; no shell is between
	Shell string   // instead of Args: text for /bin/sh -c

	// Signal ("HUP") is sent to the process whose id is in PIDFile.
	Signal  string
	PIDFile string
}

// IsZero reports whether there is nothing to do.
func (a Action) IsZero() bool { return len(a.Args) == 0 && a.Shell == "" && a.Signal == "" }

// Endpoint is a port and how TLS begins on it.
type Endpoint struct {
	Port     int
	StartTLS string // "" when TLS begins at once, else "smtp", "postgres", …
}

// Builtin returns the built-in service of that name.
func Builtin(name string) (Service, bool) {
	services := builtins()
	i := slices.IndexFunc(services, func(s Service) bool { return s.Name == name })
	if i < 0 {
		return Service{}, false
	}
	return services[i], true
}

// Names lists the built-in services, sorted.
func Names() []string {
	var names []string
	for _, s := range builtins() {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return names
}
