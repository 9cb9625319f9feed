package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unicode"

	"github.com/certkeep/certkeep/internal/config"
	"github.com/certkeep/certkeep/internal/store"
)

// stderrFile is a ui whose stderr is a file, and a function that reads it.
func stderrFile(t *testing.T) (*ui, func() string) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return newUI(os.Stdin, f, f, func(string) string { return "" }), func() string {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

func none(string) string { return "" }

func TestLogFormats(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		format, want string
	}{
		{config.LogAuto, `level=WARN msg="something happened" sub.certificate=www sub.words="two words"`},
		{config.LogLogfmt, `level=WARN msg="something happened" sub.certificate=www`},
		{config.LogJSON, `"level":"WARN","msg":"something happened","sub":{"certificate":"www","words":"two words"}}`},
		{config.LogHuman, `warning: something happened sub.certificate=www sub.words="two words"`},
	} {
		t.Run(c.format, func(t *testing.T) {
			t.Parallel()
			u, read := stderrFile(t)
			l := newServiceLog(u, none, false, false)
			log := l.logger().WithGroup("sub").With("certificate", "www") // handed out before the config is known
			l.configure(config.Log{Level: "warn", Format: c.format})
			log.Info("not shown")
			log.Warn("something happened", "words", "two words")
			if got := read(); !strings.Contains(got, c.want) || strings.Count(got, "\n") != 1 {
				t.Errorf("got %q, want …%s", got, c.want)
			}
		})
	}
}

// TestLogRecordsAreLines: whatever a record says, it is one line of visible
// characters in every format, so that nobody writes a line of the log but us.
func TestLogRecordsAreLines(t *testing.T) {
	t.Parallel()
	const poison = "a\x1b[2J\r\n\u009b31mlevel=ERROR\u202e\u2028"
	for _, format := range []string{config.LogAuto, config.LogLogfmt, config.LogJSON, config.LogHuman} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			u, read := stderrFile(t)
			l := newServiceLog(u, none, false, false)
			l.configure(config.Log{Level: "info", Format: format})
			l.logger().With("carried", poison).Warn(poison, "words", poison, "error", errors.New(poison))
			got := strings.TrimSuffix(read(), "\n")
			if strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.Count(got, "level=ERROR") != 4 {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestLogLevels(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		verbose, quiet bool
		level          string
		want           string
	}{
		{"by the config", false, false, "info", "info warn error"},
		{"verbose wins", true, false, "error", "debug info warn error"},
		{"quiet wins", false, true, "debug", "error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			u, read := stderrFile(t)
			l := newServiceLog(u, none, c.verbose, c.quiet)
			l.configure(config.Log{Level: c.level, Format: config.LogHuman})
			log := l.logger()
			log.Debug("", "l", "debug")
			log.Info("", "l", "info")
			log.Warn("", "l", "warn")
			log.Error("", "l", "error")
			var got []string
			for line := range strings.Lines(read()) {
				_, level, _ := strings.Cut(strings.TrimSpace(line), "l=")
				got = append(got, level)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// A command shows events by itself; of its log only trouble is left.
func TestCommandLog(t *testing.T) {
	t.Parallel()
	u, read := stderrFile(t)
	log := newCommandLog(u, none, config.Log{Level: "info", Format: config.LogAuto}, false, false).logger()
	log.Error("shown as an event already", "event", "errored")
	log.Info("a detail")
	log.Warn("trouble", "service", "web")
	if got := read(); got != "warning: trouble service=web\n" {
		t.Errorf("got %q", got)
	}
}

// A log file is opened by name for each record, so that it can be rotated;
// where it cannot be written, stderr has the record.
func TestLogFile(t *testing.T) {
	t.Parallel()
	u, read := stderrFile(t)
	path := filepath.Join(t.TempDir(), "certkeep.log")
	log := newCommandLog(u, none, config.Log{Level: "info", File: path}, false, false).logger()
	log.Info("first", "event", "issued")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	log.Info("second")
	for name, want := range map[string]string{path + ".1": "first", path: "second"} {
		if text, err := os.ReadFile(name); err != nil || !strings.Contains(string(text), "msg="+want) {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	if got := read(); got != "" {
		t.Errorf("stderr has %q", got)
	}
	lost := newServiceLog(u, none, false, false)
	lost.configure(config.Log{Level: "info", File: filepath.Join(path, "certkeep.log")}) // below a file
	lost.logger().Error("must not be lost")
	if got := read(); !strings.Contains(got, "must not be lost") {
		t.Errorf("stderr has %q", got)
	}
}

// journald knows levels by their prefix, and times by itself.
func TestJournal(t *testing.T) {
	t.Parallel()
	u, read := stderrFile(t)
	info, err := u.stderr.Stat()
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	stream := fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
	log := newServiceLog(u, func(name string) string { return map[string]string{"JOURNAL_STREAM": stream}[name] }, true, false).logger()
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		log.Log(t.Context(), level, "x")
	}
	want := "<7>level=DEBUG msg=x\n<6>level=INFO msg=x\n<4>level=WARN msg=x\n<3>level=ERROR msg=x\n"
	if got := read(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if toJournal(u.stderr, "1:1") || toJournal(u.stderr, "") || !toJournal(u.stderr, stream) {
		t.Error("the stream of the environment is not compared with stderr")
	}
}

// Every error says what to do, with the exit code of its kind.
func TestErrorsHaveRemedies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		code   int
		remedy bool
	}{
		{usage("wrong", "hint"), exitUsage, true},
		{fmt.Errorf("run: %w", &store.HeldError{Dir: "/x", PID: 7, Command: "certkeep apply"}), exitHeld, true},
		{config.Errors{{Words: "wrong", Hint: "right"}}, exitConfig, false},
		{errors.New("surprise"), exitUnexpected, false},
		{errors.Join(nil, exitWith(exitWrong)), exitWrong, false},
	} {
		if got := tell(c.err); got.code != c.code || (got.remedy != "") != c.remedy || !got.silent && got.lines[0] == "" {
			t.Errorf("%v: %+v", c.err, got)
		}
	}
	if exitWith(exitOK) != nil {
		t.Error("success is an error")
	}
}

// A log file that has to be made gets its mode and group, also after it was
// rotated; one that is there keeps its own.
func TestLogFileIsMade(t *testing.T) {
	t.Parallel()
	u, _ := stderrFile(t)
	path := filepath.Join(t.TempDir(), "certkeep.log")
	l := newServiceLog(u, none, false, false)
	l.configure(config.Log{Level: "info", File: path, Mode: 0o640, Owner: "no such user", Group: strconv.Itoa(os.Getgid())})
	log := l.logger()
	for range 2 {
		log.Info("made")
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
			t.Fatalf("%v, %v", info, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	log.Info("there")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}
