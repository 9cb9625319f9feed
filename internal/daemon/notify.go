package daemon

import (
	"fmt"
	"log/slog"
	"os"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"

	"github.com/certkeep/certkeep/internal/config"
)

// notifier tells the supervisor how far the process is: systemd by its
// socket (sd_notify(3)), s6 by a file descriptor. Where there is neither, it
// does nothing.
type notifier struct {
	log    *slog.Logger
	fd     *os.File // nil once told
	silent bool     // the process is another program's
}

// CheckReadyFD reports whether a descriptor can be used for readiness: it is
// open, and none of the standard ones.
func CheckReadyFD(fd int) error {
	if fd <= 2 {
		return fmt.Errorf("descriptor %d is one of the standard ones", fd)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
		return fmt.Errorf("descriptor %d is not open", fd)
	}
	return nil
}

func newNotifier(log *slog.Logger, fd int, alone bool) notifier {
	n := notifier{log: log, silent: !alone}
	if fd > 2 {
		unix.CloseOnExec(fd) // hooks and checks must not keep it open
		n.fd = os.NewFile(uintptr(fd), "ready-fd")
	}
	return n
}

// keeping says what a daemon does.
func keeping(cfg *config.Config) string {
	if len(cfg.Certificates) == 1 {
		return "Keeping 1 certificate"
	}
	return fmt.Sprintf("Keeping %d certificates", len(cfg.Certificates))
}

// ready says that the store is open, the config taken and the socket bound;
// after a reload, that it is over. Words say what the process does now.
func (n *notifier) ready(words string) {
	n.systemd(systemd.SdNotifyReady + "\nSTATUS=" + words)
	if n.fd == nil {
		return
	}
	_, err := n.fd.WriteString("\n")
	if closed := n.fd.Close(); err == nil {
		err = closed
	}
	n.fd = nil
	if err != nil {
		n.log.Warn("could not tell the supervisor that the start is over", "error", err)
	}
}

// reloading begins a reload. systemd wants the instant, to tell the READY
// that follows from an older one (Type=notify-reload).
func (n *notifier) reloading() {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		n.log.Debug("read the monotonic clock", "error", err)
		return
	}
	n.systemd(fmt.Sprintf("%s\nMONOTONIC_USEC=%d\nSTATUS=Reading the config", systemd.SdNotifyReloading, now.Nano()/int64(time.Microsecond)))
}

func (n *notifier) stopping() {
	n.systemd(systemd.SdNotifyStopping + "\nSTATUS=Saving what is under way")
}

func (n *notifier) alive() { n.systemd(systemd.SdNotifyWatchdog) }

// heartbeat ticks as often as the watchdog wants to hear of us, twice within
// its time.
func (n *notifier) heartbeat() (<-chan time.Time, func()) {
	if n.silent {
		return nil, func() {}
	}
	every, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		n.log.Warn("the watchdog's environment makes no sense; it will not hear of us", "error", err)
	}
	if every <= 0 {
		return nil, func() {}
	}
	t := time.NewTicker(every / 2)
	return t.C, t.Stop
}

func (n *notifier) systemd(state string) {
	if n.silent {
		return
	}
	if _, err := systemd.SdNotify(false, state); err != nil {
		n.log.Warn("could not tell systemd how far the process is", "error", err)
	}
}
