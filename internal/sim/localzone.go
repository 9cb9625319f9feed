package sim

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Some certificates are proven by a zone that a program makes of a file, as
// acmebot and bindtool do. The name server shows what the program took last.

// zoneFolder holds the file of the zone, and what the program made of it.
func (w *world) zoneFolder() string { return filepath.Join(w.root, "zones") }

// localZoneConfig is what the config says of it, behind that of the other zone.
func (w *world) localZoneConfig() string {
	program := fmt.Sprintf(`cp %[1]s/"$1" %[1]s/made 2>/dev/null || rm -f %[1]s/made`, w.zoneFolder())
	return fmt.Sprintf("  local: {provider: zonefile, zones: [test], directory: %s, command: [/bin/sh, -c, %q, sh], resolver: %q}\n", w.zoneFolder(), program, zoneServer)
}

// localTexts are the TXT records that the program put into the zone, by name.
func (w *world) localTexts() map[string][]string {
	text, err := os.ReadFile(filepath.Join(w.zoneFolder(), "made"))
	if err != nil {
		return nil
	}
	var answers map[string]string
	if err := json.Unmarshal(text, &answers); err != nil {
		w.judge.breach("the file of the zone is no table of answers: %v", err)
	}
	texts := map[string][]string{}
	for name, answer := range answers {
		name = challengeName(name)
		texts[name] = append(texts[name], answer)
		slices.Sort(texts[name])
	}
	return texts
}

// challengeName is where the TXT record for a name is looked for (RFC 8555
// section 8.4).
func challengeName(name string) string {
	return "_acme-challenge." + strings.TrimPrefix(strings.ToLower(name), "*.") + "."
}
