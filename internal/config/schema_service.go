package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/certkeep/certkeep/internal/service"
)

// serviceMap is where the services lie.
func serviceMap(c *Config) *map[string]service.Service { return &c.Services }

// builtinServices are the services that need no configuration.
func builtinServices() map[string]service.Service {
	services := make(map[string]service.Service)
	for _, name := range service.Names() {
		services[name], _ = service.Builtin(name)
	}
	return services
}

// services are the built-in ones, changed and added to key by key. Of the
// built-in ones only what was changed is shown: their ways to find out how a
// system reloads them have no form in a configuration.
func services() shape[map[string]service.Service] {
	one := serviceShape()
	show := one.show
	one.show = func(s service.Service) *node {
		shown := show(s)
		builtin, ok := service.Builtin(s.Name)
		if !ok {
			return shown
		}
		standard := show(builtin)
		shown.pairs = slices.DeleteFunc(shown.pairs, func(p pair) bool {
			same := standard.get(p.key)
			own := p.key == "reload" && s.Unit != builtin.Unit
			return same != nil && !own && renderFlow(same.value) == renderFlow(p.value)
		})
		if len(shown.pairs) == 0 {
			return nil
		}
		return shown
	}
	m := mapOf("NAME", one, "a table of services", identifierKey("service"),
		func(s *service.Service, name string) { s.Name = name })
	m.fresh = builtinServices
	return m
}

// serviceNames lists what a certificate may name, for hints.
func serviceNames(c *Config) []string { return declaredNames(c.Services) }

func serviceShape() shape[service.Service] {
	return object("service", "A program that reads certificates. Built in, and changed key by key: "+builtinServiceWords()+". Before files are written its `check` is run, afterwards its `reload`.", []key[service.Service]{
		field("check", either("a command or false", "nginx -t", actions(command("[nginx, -t]")), off([]service.Action{}, func(a []service.Action) bool { return a != nil && len(a) == 0 })), func(s *service.Service) *[]service.Action { return &s.Check }, about{
			doc: "Tests the service's configuration. When it fails, nothing is written. `false` where a built-in service's test is not wanted.", standard: "nothing is tested", example: "nginx -t",
		}),
		field("reload", either("a command or a signal", "systemctl reload nginx", actions(command("")), signalAction()), func(s *service.Service) *[]service.Action { return &s.Reload }, about{
			doc: "Makes it read its files again: a command, or {signal, pid_file}. Required for services that are not built in.", example: "systemctl reload nginx",
		}),
		field("status", actions(command("[systemctl, is-active, nginx]")), func(s *service.Service) *[]service.Action { return &s.Status }, about{
			doc: "Exits with 0 while the service runs. A stopped one is not reloaded.", standard: "it is taken to run, unless the `pid_file` says otherwise", example: "[systemctl, is-active, nginx]", off: true,
		}),
		field("min_interval", duration(0), func(s *service.Service) *time.Duration { return &s.MinInterval }, about{
			doc: "Least time between two reloads.", standard: "`0s`", example: "10s",
		}),
		field("user", userName(), func(s *service.Service) *string { return &s.User }, about{
			doc: "Who reads the files. `certkeep doctor` looks whether he can.", standard: "root; of `postgresql` `postgres`, of `prosody` `prosody`", example: "www-data",
		}),
		field("verify", listOf(serviceEndpoint(), "a list of ports", "[443]"), func(s *service.Service) *[]service.Endpoint { return &s.Verify }, about{
			doc: "Where the service presents its certificate, for certificates that do not say so.", standard: "unknown", example: "[443]",
		}),
	}, func(r *reader, n *node, s *service.Service) {
		r.mark("services."+s.Name, n)
		if n.has("reload") && len(s.Reload) > 0 {
			// How the built-in service is found and told is for that reload only.
			s.Unit, s.PIDFiles, s.Restart = "", nil, false
			if !n.has("status") {
				s.Status = nil
			}
			if pidFile := s.Reload[0].PIDFile; pidFile != "" {
				s.PIDFiles = []string{pidFile}
			}
		}
		if !n.has("reload") && len(s.Reload) == 0 {
			hint := "say how it is told of new files"
			if near := nearest(s.Name, service.Names()); near != "" {
				hint = fmt.Sprintf("did you mean the built-in %q?", near)
			}
			r.out.add(n.at, fmt.Sprintf("service %q has no reload", s.Name), hint)
		}
	})
}

func builtinServiceWords() string {
	words := ""
	for i, name := range service.Names() {
		if i > 0 {
			words += ", "
		}
		s, _ := service.Builtin(name)
		words += "`" + name + "`"
		for _, e := range s.Verify {
			words += fmt.Sprintf(" (port %d", e.Port)
			if e.StartTLS != "" {
				words += " with STARTTLS"
			}
			words += ")"
		}
	}
	return words
}

// actions reads a command as the only way to do something. The built-in
// services may know several ways, which are not shown.
func actions(s shape[Command]) shape[[]service.Action] {
	return as(s,
		func(_ *reader, _ *node, c Command) ([]service.Action, bool) {
			return []service.Action{{Args: c.Args, Shell: c.Shell}}, true
		},
		func(a []service.Action) (Command, bool) {
			if len(a) != 1 || a[0].Signal != "" {
				return Command{}, false
			}
			return Command{Args: a[0].Args, Shell: a[0].Shell}, true
		})
}

// signalAction is a reload by a signal. It shares the table with {shell: …}.
func signalAction() shape[[]service.Action] {
	form := object("signal", "A signal to a process.", []key[service.Action]{
		field("signal", oneOf("signal", "HUP", "USR1", "USR2", "INT", "TERM", "WINCH"), func(a *service.Action) *string { return &a.Signal }, about{doc: "The signal. Required.", example: "HUP"}),
		field("pid_file", absolute("/run/nginx.pid"), func(a *service.Action) *string { return &a.PIDFile }, about{doc: "File that holds the process id. Required.", example: "/run/nginx.pid"}),
	}, func(r *reader, n *node, a *service.Action) {
		given := n.has("signal") || n.has("pid_file") || len(n.pairs) == 0
		for _, k := range []string{"signal", "pid_file"} {
			if given && !n.has(k) {
				r.out.add(n.at, fmt.Sprintf("%s by a signal needs %s", r.is(), k), "for example {signal: HUP, pid_file: /run/nginx.pid}")
			}
		}
	})
	form.kinds = table
	return as(form,
		func(_ *reader, _ *node, a service.Action) ([]service.Action, bool) { return []service.Action{a}, true },
		func(a []service.Action) (service.Action, bool) {
			if len(a) != 1 || a[0].Signal == "" {
				return service.Action{}, false
			}
			return a[0], true
		})
}

// serviceEndpoint is a port, or a table with how TLS begins on it.
func serviceEndpoint() shape[service.Endpoint] {
	return as(endpoint(),
		func(r *reader, n *node, e Endpoint) (service.Endpoint, bool) {
			if e.Address != "" || len(e.Hosts) > 0 || len(e.KeyTypes) > 0 {
				r.out.add(n.at, "hosts, address and key_types belong to a certificate's verify", "a service says port and starttls")
				return service.Endpoint{}, false
			}
			return service.Endpoint{Port: e.Port, StartTLS: e.StartTLS}, true
		},
		func(e service.Endpoint) (Endpoint, bool) { return Endpoint{Port: e.Port, StartTLS: e.StartTLS}, true })
}
