package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Getenv, os.Stdout, os.Stderr)) }

// run is main with its surroundings; it returns the exit code.
func run(args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	r := release{source: "."}
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&r.out, "o", "bin/image", "the `folder` to write to; its files of the same names are replaced")
	flags.StringVar(&r.version, "version", "devel", "the release's `version`")
	flags.StringVar(&r.revision, "revision", "", "the `commit` that it is built of")
	flags.StringVar(&r.config, "config", "", "a `file` to put into the image as /reprise.yaml")
	architectures := flags.String("arch", "amd64,arm64", "the `architectures`, with commas between")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "image: %q is no flag\n", flags.Arg(0))
		return 2
	}
	r.architectures = strings.Split(*architectures, ",")
	var err error
	if r.created, err = epoch(getenv("SOURCE_DATE_EPOCH")); err != nil {
		fmt.Fprintln(stderr, "image:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	files, err := r.make(ctx)
	for _, f := range files {
		fmt.Fprintf(stdout, "%s  %11d bytes  %s\n", f.sum, f.size, f.name)
	}
	if err != nil {
		fmt.Fprintln(stderr, "image:", err)
		return 1
	}
	return 0
}

// epoch is the time that everything in a release bears: that of the commit, as reproducible-builds.org has it. Without one it is
// the beginning of 1970.
func epoch(text string) (time.Time, error) {
	if text == "" {
		return time.Unix(0, 0).UTC(), nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 0 {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %q is no number of seconds since 1970", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
