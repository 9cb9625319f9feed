package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/status"
)

// keys says on which keys a certificate is, since when, and with whom.
func (r renderer) keys(k status.Keys, cert string) string {
	var parts []string
	for _, t := range k.Types {
		text := fmt.Sprintf("%s since %s", t.KeyType, minute(t.Since))
		if t.Next != "" {
			text += ", the next one ready since " + minute(t.Ready)
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		parts = append(parts, "not made yet")
	}
	text := strings.Join(parts, "; ")
	others := slices.DeleteFunc(slices.Clone(k.Shared), func(c string) bool { return c == cert })
	if len(others) > 0 {
		text += "; shared with " + strings.Join(others, ", ")
	}
	if k.Rolling != nil {
		text += fmt.Sprintf("; about to change since %s: %s", minute(k.Rolling.Since), k.Rolling.Reason.Words)
	}
	return text
}
