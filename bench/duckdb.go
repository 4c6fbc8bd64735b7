package main

import (
	"bytes"
	"context"
	_ "embed" // of the script
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// duckdbPackage is what npm installs; its dependency with DuckDB itself is of the same version.
const (
	duckdbPackage = "@duckdb/node-api"
	duckdbVersion = "1.5.6-r.1"
)

//go:embed duckdb.mjs
var duckdbScript []byte

// installDuckDB has npm put DuckDB into bin, where that version is not there yet, and the script beside it.
func installDuckDB(ctx context.Context, s settings) error {
	if err := os.MkdirAll(s.modules, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(s.script(), duckdbScript, 0o644); err != nil {
		return err
	}
	var installed struct{ Version string }
	text, err := os.ReadFile(filepath.Join(s.modules, "node_modules", filepath.FromSlash(duckdbPackage), "package.json"))
	if err == nil && json.Unmarshal(text, &installed) == nil && installed.Version == duckdbVersion {
		return nil
	}
	cmd := command(ctx, "npm", "install", "--prefix", s.modules, "--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--loglevel=error",
		duckdbPackage+"@"+duckdbVersion)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("installing %s with npm (it needs Node 20 or later): %w", duckdbPackage, err)
	}
	return nil
}

func (s settings) script() string { return filepath.Join(s.modules, "duckdb.mjs") }

// duckdb runs a query. What it takes to start Node and DuckDB is not in the time, in the peak it is.
func duckdb(ctx context.Context, s settings, c corpus, o occasion, name string) (cost, [][]string, error) {
	suffix := ".json"
	if o.form == formGzip {
		suffix += ".gz"
	}
	cmd := command(ctx, "taskset", "-c", o.cpus, "node", s.script(), s.modules, filepath.Join(c.dir, o.form), suffix, name, strconv.Itoa(o.cores), c.Cutoff)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	text, err := cmd.Output()
	if err != nil {
		return cost{}, nil, fmt.Errorf("running DuckDB's %s: %w\n%s", name, err, complaints.Bytes())
	}
	var result struct {
		Wall, CPU float64
		Rows      [][]string
	}
	if err := json.Unmarshal(text, &result); err != nil {
		return cost{}, nil, fmt.Errorf("reading the result of DuckDB's %s: %w", name, err)
	}
	took := costOf(cmd)
	took.wall, took.cpu = seconds(result.Wall), seconds(result.CPU)
	return took, result.Rows, nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
