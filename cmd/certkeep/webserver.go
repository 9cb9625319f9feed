package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/certkeep/certkeep/internal/webserver"
)

func (a *app) webserverCommand() *cobra.Command {
	return group("webserver", "Virtual hosts of nginx and Apache: list them, check them, give them certificates", a.webserverListCommand(), a.webserverCheckCommand(), a.webserverEnableCommand(), a.webserverUpdateCommand(), a.webserverDisableCommand(), a.webserverCatchAllCommand(), a.webserverPlaceholderCommand())
}

// webHosts are what `webserver list` prints; see docs/json.md.
type webHosts struct {
	Hosts []webserver.Host `json:"hosts"`
}

func (a *app) webserverListCommand() *cobra.Command {
	server := ""
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List virtual hosts with their names, addresses and certificates",
		Long:  "Has nginx and Apache print their configuration (`nginx -T`, `apache2ctl -t -D DUMP_CONFIG`)\nand lists the virtual hosts in it. No config of Certkeep is needed, and nothing is changed.",
		Args:  atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			hosts, err := virtualHosts(cmd.Context(), server)
			if err != nil {
				return err
			}
			found := webHosts{Hosts: hosts}
			return a.show(found, func() string { return describeHosts(found) }, exitOK)
		},
	}
	serverFlag(cmd, &server)
	return cmd
}

func serverFlag(cmd *cobra.Command, server *string) {
	cmd.Flags().StringVar(server, "server", "", "look at this `SERVER` alone: nginx or apache (default: those that are installed)")
}

// virtualHosts reads those of a server, or of all that are installed.
func virtualHosts(ctx context.Context, server string) ([]webserver.Host, error) {
	servers := webserver.Servers()
	if server != "" {
		if !slices.Contains(servers, server) {
			return nil, unknownName("web server", server, servers)
		}
		servers = []string{server}
	}
	hosts, installed := []webserver.Host{}, false
	for _, name := range servers {
		found, err := webserver.Read(ctx, name)
		if errors.Is(err, webserver.ErrNotInstalled) || server == "" && errors.Is(err, webserver.ErrNotSetUp) {
			continue
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			return nil, &hintedError{code: exitFailed, words: fmt.Sprintf("%s: %v", name, err), hint: serverHint(err), err: err}
		}
		installed = true
		hosts = append(hosts, found...)
	}
	if !installed {
		return nil, &hintedError{code: exitUnexpected, words: "not set up here: " + strings.Join(servers, ", "), hint: "run this where the web server runs, as somebody who can read its configuration"}
	}
	return hosts, nil
}

// serverHint is what can be done about a configuration that was not read.
func serverHint(err error) string {
	if errors.Is(err, webserver.ErrSyntax) {
		return "this is a limit of Certkeep: please report it, with the lines that are named"
	}
	if errors.Is(err, webserver.ErrNoSSL) {
		return "load mod_ssl: on Debian `a2enmod ssl`, elsewhere by LoadModule ssl_module"
	}
	return "have its own test say that the configuration is sound first; only root can read all of it"
}

func describeHosts(found webHosts) string {
	var b strings.Builder
	for _, h := range found.Hosts {
		fmt.Fprintf(&b, "%s  %s\n", hostTitle(h), place(h))
		fmt.Fprintf(&b, "  listens on  %s\n", strings.Join(addresses(h), ", "))
		for i, list := range [][]string{h.Names[min(1, len(h.Names)):], h.Patterns} {
			if len(list) > 0 {
				fmt.Fprintf(&b, "  %s  %s\n", []string{"aliases   ", "patterns  "}[i], strings.Join(list, ", "))
			}
		}
		for _, p := range h.Pairs {
			fmt.Fprintf(&b, "  shows       %s\n", p.Certificate)
		}
	}
	if len(found.Hosts) == 0 {
		return "no virtual host is configured\n"
	}
	return string(visible([]byte(b.String())))
}

// hostTitle is what a host is called: its first name, or what it is.
func hostTitle(h webserver.Host) string {
	switch {
	case len(h.Names) > 0:
		return h.Names[0]
	case len(h.Patterns) > 0:
		return h.Patterns[0]
	}
	return "(without a name)"
}

func place(h webserver.Host) string { return fmt.Sprintf("%s, %s:%d", h.Server, h.File, h.Line) }

// addresses are those of a host as people write them.
func addresses(h webserver.Host) []string {
	var texts []string
	for _, a := range h.Addresses {
		text := a.Host
		switch {
		case a.Port != 0 && a.Host == "":
			text = "*:" + strconv.Itoa(a.Port)
		case a.Port != 0:
			text = net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
		}
		if a.TLS {
			text += " (TLS)"
		}
		texts = append(texts, text)
	}
	return texts
}
