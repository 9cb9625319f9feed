package challenge

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/certkeep/certkeep/internal/command"
)

// somebody is what is said of an owner that cannot be seen: other users'
// processes are visible to root only, and /proc is Linux's.
const somebody = "another process"

// portOwner names the process that listens on a TCP address, as well as this
// process is permitted to see.
func portOwner(address string) string {
	pid := PortHolder(address)
	switch {
	case pid == 0:
		return somebody
	case pid == os.Getpid():
		return "this process itself"
	}
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return fmt.Sprintf("process %d", pid)
	}
	return fmt.Sprintf("%s (process %d)", command.Escape(strings.TrimSpace(string(name))), pid)
}

// PortHolder is the number of the process that listens on a TCP address; 0
// where there is none that this process is permitted to see.
func PortHolder(address string) int {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return 0
	}
	port, err := net.LookupPort("tcp", service)
	if err != nil {
		return 0
	}
	ours, err := netip.ParseAddr(host)
	if err != nil {
		ours = netip.IPv6Unspecified() // every address, or a name: any owner of the port will do
	}
	var inodes []string
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		inodes = append(inodes, listeners(string(text), ours, port)...)
	}
	return socketOwner(inodes)
}

// listeners returns the inodes of sockets in a table of proc(5) that listen on
// the port, at an address that is in the way of ours.
func listeners(table string, ours netip.Addr, port int) []string {
	const listening = "0A"
	var inodes []string
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 10 || fields[3] != listening {
			continue
		}
		address, number, _ := strings.Cut(fields[1], ":")
		theirs, ok := procAddress(address)
		got, err := strconv.ParseUint(number, 16, 16)
		if err != nil || !ok || int(got) != port {
			continue
		}
		if ours.IsUnspecified() || theirs.IsUnspecified() || theirs == ours.Unmap() {
			inodes = append(inodes, fields[9])
		}
	}
	return inodes
}

// procAddress reads an address of /proc/net/tcp: 32 bit words of the network's
// bytes, each printed as a number of this machine.
func procAddress(text string) (netip.Addr, bool) {
	raw, err := hex.DecodeString(text)
	if err != nil {
		return netip.Addr{}, false
	}
	for i := 0; i+4 <= len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	address, ok := netip.AddrFromSlice(raw)
	return address.Unmap(), ok
}

// socketOwner returns the lowest number of a process that holds one of the
// sockets: of a server's processes it is the first. 0 is none.
func socketOwner(inodes []string) int {
	if len(inodes) == 0 {
		return 0
	}
	folders, err := filepath.Glob("/proc/[0-9]*/fd")
	if err != nil {
		return 0
	}
	owner := 0
	for _, folder := range folders {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(folder)))
		if err != nil || owner != 0 && pid > owner {
			continue
		}
		descriptors, err := os.ReadDir(folder)
		if err != nil {
			continue // not ours to see, or just ended
		}
		for _, d := range descriptors {
			target, err := os.Readlink(filepath.Join(folder, d.Name()))
			if err != nil {
				continue
			}
			inode, socket := strings.CutPrefix(target, "socket:[")
			if socket && slices.Contains(inodes, strings.TrimSuffix(inode, "]")) {
				owner = pid
				break
			}
		}
	}
	return owner
}
