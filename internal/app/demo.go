package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/seed-56345083/reprise/internal/config"
	"github.com/seed-56345083/reprise/internal/demo"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/internal/stats"
)

// DemoOptions say how a demo runs.
type DemoOptions struct {
	Dir     string // everything goes below it; made where it is not there
	Bytes   int64  // of the archive, uncompressed; 0: demo.DefaultBytes
	Workers int    // processes, at least 2: one of them is killed
	Program string // this program, which is started again as the workers
}

// DemoView is what a demo shows of itself.
type DemoView interface {
	Say(format string, args ...any)    // a line of the story
	Making(done, total int64)          // bytes of the archive
	Replaying(replay.Status)           // now and then
	Certificate(c *replay.Certificate) // at the end
	Result(r DemoResult)               // of each statistic
}

// DemoResult compares one statistic's rows with the generator's own count.
type DemoResult struct {
	Protocol, Statistic string
	Rows                int
	Differences         []string
}

// ErrDemo says that a demo's results are not the generator's.
var ErrDemo = errors.New("the results differ from the generator's own count")

// Demo makes an archive, replays it with several worker processes, kills one of them half-way, leaves the corrupt
// object out, and compares every row with what the generator has counted.
func Demo(ctx context.Context, o DemoOptions, log *zap.Logger, v DemoView) (err error) {
	archiveDir := filepath.Join(o.Dir, "archive")
	started := time.Now()
	manifest, err := demo.Generate(ctx, demo.Options{Dir: archiveDir, Seed: 1, Bytes: o.Bytes, Progress: v.Making})
	if err != nil {
		return fmt.Errorf("making the archive: %w", err)
	}
	v.Say("made an archive: %d objects, %d lines, %d MB, %d MB as stored (%.1f s)", manifest.Objects, manifest.Lines,
		manifest.Bytes/1e6, manifest.Stored/1e6, time.Since(started).Seconds())
	file := filepath.Join(o.Dir, config.FileName)
	if err := os.WriteFile(file, []byte(demo.Config(filepath.Join(o.Dir, "state"), archiveDir)), 0o600); err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	c, err := config.Load(file, nil)
	if err != nil {
		return err
	}
	a, err := Open(ctx, c, "", log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()

	d := &demoRun{App: a, o: o, file: file, manifest: manifest, view: v}
	if err := d.replay(ctx); err != nil {
		return err
	}
	return d.compare(ctx)
}

// demoRun is a demo whose archive is made.
type demoRun struct {
	*App
	o        DemoOptions
	file     string // the configuration
	manifest demo.Manifest
	view     DemoView
	workers  []*exec.Cmd
	id       string
}

func (d *demoRun) replay(ctx context.Context) (err error) {
	started := time.Now()
	if d.id, err = d.Start(ctx, nil, func(p *replay.StartParams) { p.Cutoff = d.manifest.Cutoff }); err != nil {
		return err
	}
	d.view.Say("reprise start: replay %s, cutoff %s", d.id, d.manifest.Cutoff.Format(time.RFC3339))
	if err := d.driver.Continue(ctx, d.id, nil); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stopWorkers()) }()
	if err := d.startWorkers(ctx); err != nil {
		return err
	}
	d.view.Say("reprise work: %d worker processes", len(d.workers))

	// The watcher is a goroutine here; in production it is a process of its own.
	watching, stop := context.WithCancel(ctx)
	var group errgroup.Group
	group.Go(func() error { return d.driver.Watch(watching) })
	err = d.follow(ctx)
	stop()
	if err := errors.Join(err, group.Wait()); err != nil {
		return err
	}
	d.view.Say("finished in %.1f s", time.Since(started).Seconds())
	return nil
}

func (d *demoRun) startWorkers(ctx context.Context) error {
	for range d.o.Workers {
		// Not CommandContext: that would kill, and these are stopped by SIGTERM and waited for.
		cmd := exec.Command(d.o.Program, "--config", d.file, "--log-level", "error", "work") //nolint:gosec // this very program
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			return fmt.Errorf("starting a worker: %w", err)
		}
		d.workers = append(d.workers, cmd)
	}
	return ctx.Err()
}

// stopWorkers stops those that still run and waits for them.
func (d *demoRun) stopWorkers() error {
	var errs []error
	for _, cmd := range d.workers {
		_ = cmd.Process.Signal(syscall.SIGTERM) // one that has ended is what is wanted
	}
	for _, cmd := range d.workers {
		if err := cmd.Wait(); err != nil {
			errs = append(errs, fmt.Errorf("worker process: %w", err))
		}
	}
	d.workers = nil
	return errors.Join(errs...)
}

// killOne ends a worker as a lost machine does.
func (d *demoRun) killOne() {
	cmd := d.workers[0]
	d.workers = d.workers[1:]
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // "signal: killed" is what was asked for
}

// follow shows the progress, kills a worker half-way, and accepts what has failed, until the replay is over.
func (d *demoRun) follow(ctx context.Context) error {
	killed := false
	for {
		s, err := d.driver.Status(ctx, d.id)
		if err != nil {
			return err
		}
		d.view.Replaying(s)
		switch {
		case s.State.Ended():
			return nil
		case !killed && s.Objects.Processing > 0 && s.Bytes.Read > s.Bytes.Listed*2/5:
			killed = true
			d.killOne()
			d.view.Say("killed a worker process with SIGKILL in the middle of its objects; their messages come back after the visibility timeout")
		case s.State == ledger.Running && s.Objects.ListedAll && s.Objects.Pending+s.Objects.Processing == 0 && s.Objects.Failed > s.Accepted:
			if err := d.acceptFailed(ctx, s); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// acceptFailed shows what is in the dead-letter queue and leaves it out.
func (d *demoRun) acceptFailed(ctx context.Context, s replay.Status) error {
	d.view.Say("the replay is held back: %d object FAILED, %d message in the dead-letter queue", s.Objects.Failed, s.DeadLetters)
	for c, err := range d.ledger.Scan(ctx, ledger.ScanParams{Replay: d.id, States: []ledger.State{ledger.Failed}, Partials: true}) {
		if err != nil {
			return err
		}
		d.view.Say("  %s: %s", c.Key, c.Error)
	}
	d.view.Say("reprise finish --accept-failed: it is left out, and the certificate says so")
	if _, err := d.driver.Finish(ctx, d.id, true, d.name); err != nil && !errors.Is(err, replay.ErrHeld) {
		return err
	}
	return nil
}

// compare shows the certificate and every statistic beside the generator's count.
func (d *demoRun) compare(ctx context.Context) error {
	certificate, err := d.driver.Certify(ctx, d.id, nil)
	if err != nil {
		return err
	}
	d.view.Certificate(certificate)
	wrong := !certificate.Closes()
	for _, e := range d.manifest.Expected {
		rows, err := d.driver.Read(ctx, e.Protocol, e.Statistic, 0)
		if err != nil {
			return err
		}
		var csv bytes.Buffer
		if err := stats.WriteCSV(&csv, rows, e.Statistic); err != nil {
			return err
		}
		differences, err := demo.CompareCSV(e, &csv)
		if err != nil {
			return err
		}
		wrong = wrong || len(differences) > 0
		d.view.Result(DemoResult{Protocol: e.Protocol, Statistic: e.Statistic, Rows: rows.Len(), Differences: differences})
	}
	if lines := certificate.Lines; lines.Counted != d.manifest.Counted || lines.AfterCutoff != d.manifest.AfterCutoff || lines.Rejected != d.manifest.Rejected {
		return fmt.Errorf("%w: counted %d, after the cutoff %d, rejected %d; made were %d, %d, %d", ErrDemo,
			lines.Counted, lines.AfterCutoff, lines.Rejected, d.manifest.Counted, d.manifest.AfterCutoff, d.manifest.Rejected)
	}
	if wrong {
		return ErrDemo
	}
	return nil
}
