package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/certkeep/certkeep/internal/config"
)

// logs is where log records go. What is done with them follows the config
// and changes with it, while the loggers that were handed out stay.
type logs struct {
	ui       *ui
	verbose  bool
	quiet    bool
	journal  bool // stderr is journald's: it keeps time and level itself
	terminal bool
	// command is set for commands that show what they do by themselves: what
	// is an event has been shown, and only trouble is left to tell.
	command bool

	mu     sync.Mutex // guards what follows
	config config.Log
	format slog.Handler // writes into line
	line   bytes.Buffer
}

// newServiceLog is the log of a process that runs for ever.
func newServiceLog(u *ui, getenv func(string) string, verbose, quiet bool) *logs {
	l := &logs{ui: u, verbose: verbose, quiet: quiet, journal: toJournal(u.stderr, getenv("JOURNAL_STREAM")), terminal: isTerminal(u.stderr)}
	l.configure(config.Log{Level: "info", Format: config.LogAuto})
	return l
}

// newCommandLog is the log of a command that ends.
func newCommandLog(u *ui, getenv func(string) string, cfg config.Log, verbose, quiet bool) *logs {
	l := newServiceLog(u, getenv, verbose, quiet)
	l.command = true
	l.configure(cfg)
	return l
}

// toJournal reports whether f is the stream of journald that the environment
// names as device:inode (systemd.exec(5)).
func toJournal(f *os.File, stream string) bool {
	if stream == "" {
		return false
	}
	info, err := f.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stream == strconv.FormatUint(uint64(stat.Dev), 10)+":"+strconv.FormatUint(stat.Ino, 10)
}

// configure takes over what a config says of the log. A log file needs no
// reopening: each record opens it by its name.
func (l *logs) configure(cfg config.Log) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.config = cfg
	options := &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: l.replace}
	switch format := cfg.Format; {
	case format == config.LogJSON:
		l.format = slog.NewJSONHandler(&l.line, options)
	case format == config.LogHuman, format != config.LogLogfmt && cfg.File == "" && (l.terminal || l.command):
		l.format = &humanHandler{out: &l.line, paint: l.ui.painter(l.ui.stderr), timeless: l.command && cfg.File == ""}
	default:
		l.format = slog.NewTextHandler(&l.line, options)
	}
}

// replace gives times in UTC, and leaves them out where journald has its own.
func (l *logs) replace(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 || a.Key != slog.TimeKey {
		return a
	}
	if l.journal && l.config.File == "" {
		return slog.Attr{}
	}
	return slog.Time(slog.TimeKey, a.Value.Time().UTC().Truncate(time.Millisecond))
}

// logger makes a logger that writes here.
func (l *logs) logger() *slog.Logger { return slog.New(&logHandler{logs: l}) }

// level is from which level on records are written. The caller holds mu.
func (l *logs) level() slog.Level {
	switch {
	case l.verbose:
		return slog.LevelDebug
	case l.quiet:
		return slog.LevelError
	case l.command && l.config.File == "":
		return slog.LevelWarn
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.config.Level)); err != nil {
		return slog.LevelInfo
	}
	return level
}

// write writes one record with what its logger carries.
func (l *logs) write(ctx context.Context, r slog.Record, with []func(slog.Handler) slog.Handler) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	handler := l.format
	for _, w := range with {
		handler = w(handler)
	}
	l.line.Reset()
	if err := handler.Handle(ctx, r); err != nil {
		return err
	}
	line := l.line.Bytes()
	if l.config.Format == config.LogJSON {
		line = visible(line)
	}
	if l.config.File != "" {
		if err := l.append(line); err == nil {
			return nil
		}
		// A log file that cannot be written must not swallow what it was
		// to be told.
	}
	if l.journal {
		line = append([]byte(priority(r.Level)), line...)
	}
	_, err := l.ui.Write(line)
	return err
}

// priority is the prefix by which journald knows the level (sd-daemon(3)).
func priority(level slog.Level) string {
	switch {
	case level >= slog.LevelError:
		return "<3>"
	case level >= slog.LevelWarn:
		return "<4>"
	case level >= slog.LevelInfo:
		return "<6>"
	}
	return "<7>"
}

// logHandler is what loggers hold: the way to logs, and what they carry.
type logHandler struct {
	logs *logs
	with []func(slog.Handler) slog.Handler
}

// Enabled reports whether a level is written.
func (h *logHandler) Enabled(_ context.Context, level slog.Level) bool {
	h.logs.mu.Lock()
	defer h.logs.mu.Unlock()
	return level >= h.logs.level()
}

// Handle writes a record, unless it tells of an event that was shown.
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	if h.logs.shown(r) {
		return nil
	}
	return h.logs.write(ctx, r, h.with)
}

// shown reports whether a record is about an event that the command shows.
func (l *logs) shown(r slog.Record) bool {
	l.mu.Lock()
	toFile := l.config.File != ""
	l.mu.Unlock()
	if !l.command || l.verbose || toFile {
		return false
	}
	event := false
	r.Attrs(func(a slog.Attr) bool {
		event = event || a.Key == "event"
		return !event
	})
	return event
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.add(func(to slog.Handler) slog.Handler { return to.WithAttrs(attrs) })
}

// WithGroup implements slog.Handler.
func (h *logHandler) WithGroup(name string) slog.Handler {
	return h.add(func(to slog.Handler) slog.Handler { return to.WithGroup(name) })
}

func (h *logHandler) add(w func(slog.Handler) slog.Handler) slog.Handler {
	return &logHandler{logs: h.logs, with: append(h.with[:len(h.with):len(h.with)], w)}
}

// humanHandler writes records for somebody who sits before a terminal.
type humanHandler struct {
	out    io.Writer
	paint  func(colour, string) string
	attrs  []slog.Attr
	prefix string // of groups
	// timeless is set beside the plain lines of a command.
	timeless bool
}

// Enabled implements slog.Handler; levels are logs' business.
func (h *humanHandler) Enabled(context.Context, slog.Level) bool { return true }

// Handle writes a record: the time of day, a mark for trouble, the message,
// and the attributes.
func (h *humanHandler) Handle(_ context.Context, r slog.Record) error {
	var b bytes.Buffer
	if !h.timeless {
		b.WriteString(r.Time.Local().Format("15:04:05 "))
	}
	switch {
	case r.Level >= slog.LevelError:
		b.WriteString(h.paint(red, "error: "))
	case r.Level >= slog.LevelWarn:
		b.WriteString(h.paint(yellow, "warning: "))
	}
	b.WriteString(cut(strings.ReplaceAll(r.Message, "\n", " "), 10_000))
	for _, a := range h.attrs {
		h.attr(&b, "", a)
	}
	r.Attrs(func(a slog.Attr) bool {
		h.attr(&b, h.prefix, a)
		return true
	})
	b.WriteByte('\n')
	_, err := h.out.Write(b.Bytes())
	return err
}

func (h *humanHandler) attr(b *bytes.Buffer, prefix string, a slog.Attr) {
	value := a.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		for _, inner := range value.Group() {
			h.attr(b, prefix+a.Key+".", inner)
		}
		return
	}
	text := cut(value.String(), 10_000)
	if text == "" {
		return
	}
	b.WriteString(" " + prefix + a.Key + "=")
	if quoting(text) {
		text = strconv.Quote(text)
	}
	b.WriteString(text)
}

// quoting reports whether a value needs quotes to be told from what follows.
func quoting(s string) bool {
	for _, r := range s {
		if r <= ' ' || r == '"' || r == '=' {
			return true
		}
	}
	return false
}

// WithAttrs implements slog.Handler.
func (h *humanHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *h
	next.attrs = h.attrs[:len(h.attrs):len(h.attrs)]
	for _, a := range attrs {
		a.Key = h.prefix + a.Key
		next.attrs = append(next.attrs, a)
	}
	return &next
}

// WithGroup implements slog.Handler.
func (h *humanHandler) WithGroup(name string) slog.Handler {
	next := *h
	next.prefix += name + "."
	return &next
}
