// Package cmd is the program reprise. Each command is a file of this package: it reads its flags, calls package app, and
// prints.
//
// [Main] is all there is for other programs: the main function of reprise itself, and of those that bring consumers of their
// own (see package worker) for protocols that no format describes.
//
//	package main
//
//	import (
//		_ "example.org/logs/mail" // registers a consumer
//
//		"github.com/seed-56345083/reprise/cmd"
//	)
//
//	func main() { cmd.Main() }
package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/seed-56345083/reprise/internal/app"
	"github.com/seed-56345083/reprise/internal/replay"
)

// version is set by the linker: -X github.com/seed-56345083/reprise/cmd.version=v1.2.3.
var version = "devel"

// Exit codes, as README.md has them.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2 // wrong usage or configuration
	exitCheck  = 3 // a check did not hold
)

type commands struct {
	Config   string `short:"c" placeholder:"FILE" type:"path" help:"The configuration file (default: $$REPRISE_CONFIG, or reprise.yaml here)."`
	LogLevel string `placeholder:"LEVEL" enum:"debug,info,warn,error," default:"" help:"Least level that is logged: debug, info, warn or error. Daemons log from info on, other commands from warn."`

	Demo      demoCommand     `cmd:"" help:"Make an archive, replay it with several workers, kill one, and compare the results."`
	Init      initCommand     `cmd:"" help:"Write a sample configuration."`
	ConfigCmd configCommand   `cmd:"" name:"config" help:"Look at the configuration."`
	Plan      planCommand     `cmd:"" help:"Say what a replay would read, write, cost and take, from a sample of the archive. Changes nothing."`
	Start     startCommand    `cmd:"" help:"Start a replay: open fresh statistics, list the archive, enqueue its objects. Prints the replay's id."`
	Work      workCommand     `cmd:"" help:"Run workers until stopped."`
	Watch     watchCommand    `cmd:"" help:"Run the watcher until stopped: it folds, finishes, and brings back what got stuck."`
	Live      liveCommand     `cmd:"" help:"Count the lines of the incoming table as they come, until stopped."`
	Archive   archiveCommand  `cmd:"" help:"Move what is counted from the incoming table to the archive, until stopped."`
	Ingest    ingestCommand   `cmd:"" help:"Put lines into the incoming table, each as an entry of its own; those that are none of the protocol's are told and left out."`
	Run       runCommand      `cmd:"" help:"Run all roles in one process."`
	Status    statusCommand   `cmd:"" help:"Show how far replays are, and what they wait for."`
	List      listCommand     `cmd:"" help:"List the protocols with their generations, and the replays."`
	Objects   objectsCommand  `cmd:"" help:"List the objects of a replay."`
	Stats     statsCommand    `cmd:"" help:"Print the rows of a statistic."`
	Diff      diffCommand     `cmd:"" help:"Compare the statistics that serve with those being built, or with the previous ones."`
	Pause     pauseCommand    `cmd:"" help:"Let workers end their chunks and take no more of a replay."`
	Resume    resumeCommand   `cmd:"" help:"Let a paused replay go on."`
	Cancel    cancelCommand   `cmd:"" help:"Give a replay up: drop what it built, take its tags off, free its protocols."`
	Redrive   redriveCommand  `cmd:"" help:"Make FAILED objects begin again, after a fix."`
	Rollback  rollbackCommand `cmd:"" help:"Let readers read the generation before the one that serves."`
	Purge     purgeCommand    `cmd:"" help:"Give the generation before the one that serves up: its rows are deleted."`
	Finish    finishCommand   `cmd:"" help:"Finish a replay now, or leave out what has failed."`
	Certify   certifyCommand  `cmd:"" help:"Add a replay's accounts up: what was listed, read, counted and folded."`
	Health    healthCommand   `cmd:"" help:"Ask the process that runs here whether it is well: exit code 0 or 1, for whoever looks after it."`
	Lambda    lambdaCommand   `cmd:"" hidden:"" help:"Count what the stream of the incoming table hands this Lambda function. Needs no naming there: it is what happens without arguments."`
	Version   versionCommand  `cmd:"" help:"Print the version."`
}

// environment is what a command gets beside its flags.
type environment struct {
	context.Context
	commands *commands
	out      io.Writer
	err      io.Writer
	app      *app.App // what the command has opened; closed at its end
	daemon   bool     // runs until it is stopped: to be stopped is no error
}

// Main runs the command that the arguments name, and exits with its code: 0 done, 1 failed, 2 wrong usage or configuration,
// 3 a check did not hold. Register consumers before.
func Main() {
	if os.Getenv("GOGC") == "" {
		collect()
	}
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// When memory is collected: for the first time at 16 MiB (400 % of 4 MiB, Go's rule), so that a short command never does, from then on
// when the heap has grown by half.
const (
	collectFirst = 400
	collectThen  = 50
)

// collect says when. A worker's memory is tables of rows that live long, and lines are read without allocating: the default
// would let the heap grow to twice the tables for nothing. Measured on folds of a million rows: half the peak, no slower.
func collect() {
	debug.SetGCPercent(collectFirst)
	first := new([64]byte) // which the first collection finds unused
	runtime.AddCleanup(first, func(percent int) { debug.SetGCPercent(percent) }, collectThen)
}

func run(args []string, stdout, stderr io.Writer) int {
	var c commands
	helped := -1
	parser, err := kong.New(&c, kong.Name("reprise"), kong.Writers(stdout, stderr),
		kong.Description("Rebuilds the statistics of a log pipeline from its archive, exactly once."),
		kong.Exit(func(code int) { helped = code }))
	if err != nil {
		fmt.Fprintln(stderr, "reprise:", err)
		return exitFailed
	}
	if len(args) == 0 && app.InLambda() {
		args = []string{"lambda"}
	}
	parsed, err := parser.Parse(args)
	if helped >= 0 { // --help was printed
		return helped
	}
	if err != nil {
		fmt.Fprintf(stderr, "reprise: %v; see reprise --help\n", err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal stops cleanly; with the handler gone, the second one ends the process.
	context.AfterFunc(ctx, stop)
	e := &environment{Context: ctx, commands: &c, out: stdout, err: stderr}
	err = parsed.Run(e)
	if e.app != nil {
		if closing := e.app.Close(); err == nil {
			err = closing
		}
	}
	switch {
	case err == nil:
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		if e.daemon { // stopped while it began
			return exitDone
		}
		fmt.Fprintln(stderr, "reprise: interrupted; what is open goes on with reprise run, or work, watch, live and archive")
	default:
		fmt.Fprintln(stderr, "reprise:", err)
	}
	return exitCode(err)
}

// exitCode maps an error to the program's exit code.
func exitCode(err error) int {
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, app.ErrUsage), errors.Is(err, replay.ErrUnknown), errors.Is(err, replay.ErrNarrow), errors.Is(err, replay.ErrGate), errors.Is(err, replay.ErrReuse),
		errors.As(err, new(configError)):
		return exitUsage
	case errors.Is(err, replay.ErrHeld), errors.Is(err, errCheck):
		return exitCheck
	default:
		return exitFailed
	}
}
