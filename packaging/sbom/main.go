// Command sbom says what is in a program of ours: a bill of materials in the
// form of CycloneDX, and the licences of all that it is linked from. It takes
// the modules from what the Go toolchain noted in the program itself, so that
// both are of this program, and of no other build.
//
//	go run ./packaging/sbom -version 1.2.3 -sbom FILE -copyright FILE PROGRAM
//
// The time in it is $SOURCE_DATE_EPOCH, so that the same program gives the
// same bytes.
package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

func main() {
	version := flag.String("version", "", "of the program")
	sbom := flag.String("sbom", "", "write the bill of materials to this `FILE`")
	copyright := flag.String("copyright", "", "write the licences to this `FILE`")
	flag.Parse()
	if flag.NArg() != 1 || *version == "" || *sbom == "" || *copyright == "" {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *version, *sbom, *copyright); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(program, version, sbom, copyright string) error {
	parts, info, err := partsOf(program)
	if err != nil {
		return err
	}
	digest, err := digestOf(program)
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("read $SOURCE_DATE_EPOCH: %w", err)
	}
	text, err := json.MarshalIndent(billOf(info, version, digest, parts, time.Unix(seconds, 0).UTC()), "", "  ")
	if err != nil {
		return fmt.Errorf("encode the bill of materials: %w", err)
	}
	return errors.Join(
		os.WriteFile(sbom, append(text, '\n'), 0o644),
		os.WriteFile(copyright, []byte(copyrightOf(parts)), 0o644),
	)
}

// part is a module that the program is linked from.
type part struct {
	path, version, sum string
	licence            string // SPDX identifier
	texts              []string
}

// partsOf lists the modules of a program, with the standard library as the
// last of them.
func partsOf(program string) ([]part, *buildinfo.BuildInfo, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, nil, fmt.Errorf("read what %s was built from: %w", program, err)
	}
	var parts []part
	for _, m := range info.Deps {
		if m.Replace != nil {
			return nil, nil, fmt.Errorf("%s is replaced: its licence is not known", m.Path)
		}
		dir, err := goSays("list", "-m", "-f", "{{.Dir}}", m.Path+"@"+m.Version)
		if err != nil {
			return nil, nil, err
		}
		parts = append(parts, part{path: m.Path, version: m.Version, sum: m.Sum})
		if err := parts[len(parts)-1].read(dir); err != nil {
			return nil, nil, err
		}
	}
	root, err := goSays("env", "GOROOT")
	if err != nil {
		return nil, nil, err
	}
	std := part{path: "std", version: strings.TrimPrefix(info.GoVersion, "go")}
	if err := std.read(root); err != nil {
		return nil, nil, err
	}
	return append(parts, std), info, nil
}

func goSays(args ...string) (string, error) {
	out, err := exec.Command("go", args...).Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

func digestOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() // it was read
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
