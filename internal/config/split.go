package config

import (
	"errors"
	"fmt"
	"strings"
)

// SplitCommand splits text into the arguments of a command, as a person who
// knows shells would read it, without being one: blanks separate; 'single
// quotes' keep everything; "double quotes" keep everything but \" and \\; a
// backslash outside quotes keeps the next character. What only a shell could
// carry out is an error, not an argument.
func SplitCommand(s string) ([]string, error) {
	var sp splitter
	for rest := s; rest != ""; {
		n, err := sp.next(rest)
		if err != nil {
			return nil, err
		}
		rest = rest[n:]
	}
	sp.end()
	if len(sp.args) == 0 {
		return nil, errors.New("the command is empty")
	}
	if sp.args[0] == "" {
		return nil, errors.New("the command has no program")
	}
	return sp.args, nil
}

type splitter struct {
	args []string
	arg  strings.Builder
	open bool // an argument has begun; it may be empty, as '' is
}

// end ends the argument that is under way, if any.
func (s *splitter) end() {
	if s.open {
		s.args = append(s.args, s.arg.String())
		s.arg.Reset()
		s.open = false
	}
}

// next takes one blank, character or quoted piece off rest and returns its
// length.
func (s *splitter) next(rest string) (int, error) {
	c := rest[0]
	switch {
	case strings.IndexByte(" \t\r\n", c) >= 0:
		s.end()
		return 1, nil
	case c == 0:
		return 0, errors.New("the command contains a zero byte")
	case c == '\'':
		s.open = true
		inside, _, ok := strings.Cut(rest[1:], "'")
		if !ok {
			return 0, errors.New("a single quote is not closed")
		}
		s.arg.WriteString(inside)
		return len(inside) + 2, s.checkQuoted(inside)
	case c == '"':
		s.open = true
		return s.doubleQuoted(rest)
	case c == '\\':
		if len(rest) == 1 {
			return 0, errors.New("the command ends in a backslash")
		}
		s.open = true
		s.arg.WriteByte(rest[1])
		return 2, s.checkQuoted(rest[1:2])
	case strings.IndexByte("|&;<>$`", c) >= 0:
		return 0, &shellError{string(c)}
	}
	s.open = true
	s.arg.WriteByte(c)
	return 1, nil
}

func (s *splitter) doubleQuoted(rest string) (int, error) {
	for i := 1; i < len(rest); i++ {
		switch rest[i] {
		case '"':
			return i + 1, nil
		case 0:
			return 0, s.checkQuoted(rest[i : i+1])
		case '\\':
			if i+1 < len(rest) && (rest[i+1] == '"' || rest[i+1] == '\\') {
				i++
			}
		}
		s.arg.WriteByte(rest[i])
	}
	return 0, errors.New("a double quote is not closed")
}

// checkQuoted refuses what no argument can hold.
func (s *splitter) checkQuoted(piece string) error {
	if strings.IndexByte(piece, 0) >= 0 {
		return errors.New("the command contains a zero byte")
	}
	return nil
}

// shellError is text that means something to a shell alone.
type shellError struct{ sign string }

func (e *shellError) Error() string {
	return fmt.Sprintf("%s means something to a shell only, and no shell reads this", e.sign)
}
