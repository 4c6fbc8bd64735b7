package app

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/awsapi"
	"github.com/seed-56345083/reprise/internal/config"
	"github.com/seed-56345083/reprise/internal/replay"
	"github.com/seed-56345083/reprise/internal/telemetry"
	"github.com/seed-56345083/reprise/internal/web"
	"github.com/seed-56345083/reprise/worker"
)

// watched is what tells of this process. Nothing of it is there where nobody listens.
type watched struct {
	metrics *telemetry.Metrics
	health  *telemetry.Health
	emf     bool // lines for CloudWatch are written
	tracer  *telemetry.Tracer

	worker                                            *telemetry.Worker
	working, watching, following, sweeping, archiving *telemetry.Pulse
}

// ecsVariable is there in every task of ECS, whose log goes to CloudWatch as a rule; that of a Lambda function always does.
const ecsVariable = "ECS_CONTAINER_METADATA_URI_V4"

func newWatched(t config.Telemetry, version string) watched {
	w := watched{emf: t.EMF == config.EMFOn || t.EMF == config.EMFAuto && (os.Getenv(ecsVariable) != "" || InLambda())}
	if t.Listen != "" || w.emf {
		w.metrics, w.health = telemetry.New(version), telemetry.NewHealth()
	}
	return w
}

// openTracer opens the way to the collector of traces, where there is one: the configuration names it, or OpenTelemetry's own
// variables.
func (a *App) openTracer(ctx context.Context, version string) error {
	endpoint := a.config.Telemetry.OTLP
	if os.Getenv("OTEL_SDK_DISABLED") == "true" || endpoint+os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT")+os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == "" {
		return nil
	}
	t, err := telemetry.NewTracer(ctx, telemetry.TracerOptions{
		Endpoint: endpoint, Service: cmp.Or(os.Getenv("OTEL_SERVICE_NAME"), "reprise"), Version: version, Process: a.name, Log: a.log,
	})
	if err != nil {
		return fmt.Errorf("telemetry.otlp: %w", err)
	}
	a.watched.tracer = t
	a.onClose(func() error { t.Close(); return nil })
	return nil
}

// observer counts the requests to AWS; nil where nobody asks for their number.
func (w *watched) observer() awsapi.Observer {
	if w.metrics == nil {
		return nil
	}
	return w.metrics.Request
}

// How long a loop may go without beating before it counts as dead. They are far above what a slow service costs: whoever believes
// them ends the process, and with it the work that it has in hand.
const (
	watcherSilence  = 30 * time.Minute // counting the cursors of a million objects is one step
	liveSilence     = 5 * time.Minute
	archiverSilence = 10 * time.Minute
)

// workerSilence is longer than the longest piece of work, in which a slot may be all that there is to be heard of.
func workerSilence(w config.Worker) time.Duration {
	return 2*(w.ChunkTime+w.Reserve) + 2*time.Minute
}

// observe gives the roles what they report to. The driver and the archiver are there in every process: they report where they
// run as a role.
func (a *App) observe(roles []Role) {
	w := &a.watched
	for _, r := range roles {
		switch r {
		case RoleWork:
			w.worker = w.metrics.Worker(worker.VerdictNames())
			w.working = w.health.Pulse("worker", workerSilence(a.config.Worker))
		case RoleWatch:
			w.watching = w.health.Pulse("watcher", watcherSilence)
			a.driver.Observe(w.metrics.Watcher(replay.States()), w.watching)
		case RoleLive:
			w.following = w.health.Pulse("live", liveSilence)
			w.sweeping = w.health.Pulse("live sweeps", liveSilence)
		case RoleArchive:
			w.archiving = w.health.Pulse("archiver", archiverSilence)
			a.side.archiver.Observe(w.metrics.Archiver(), w.archiving)
		}
	}
}

// serve runs roles and, until they have ended, what tells of them: the pages and, where they are wanted, the lines for CloudWatch.
// It is for one call in a process.
func (a *App) serve(ctx context.Context, roles []Role, run func(context.Context) error) error {
	w := &a.watched
	s, err := web.Open(web.Options{
		Listen: a.config.Telemetry.Listen, Profile: a.config.Telemetry.Pprof, Metrics: w.metrics.Handler(), Health: w.health, Log: a.log,
	})
	if err != nil {
		return fmt.Errorf("telemetry.listen: %w", err)
	}
	a.observe(roles)
	telling, stop := context.WithCancel(context.WithoutCancel(ctx)) // ctx is over long before the roles are
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	group.Go(func() { s.Run(telling) })
	if w.emf {
		emf := w.metrics.EMF(telemetry.EMFOptions{Stack: a.config.Telemetry.Stack, Roles: names(roles), Process: a.name, Log: a.log})
		group.Go(func() { emf.Run(telling) })
	}
	if w.health != nil {
		undo := context.AfterFunc(ctx, w.health.Drain)
		defer undo()
		asking, enough := context.WithCancel(ctx) // the roles may end before each question is answered
		defer enough()
		a.ask(asking, &group, a.questions(roles))
	}
	return run(ctx)
}

func names(roles []Role) []string {
	list := make([]string, len(roles))
	for i, r := range roles {
		list[i] = string(r)
	}
	return list
}

// question is one that a part of the backend must have answered before the process is ready.
type question struct {
	of  string
	ask func(context.Context) error
}

// questions are those that roles may ask by their permissions, and that change nothing.
func (a *App) questions(roles []Role) []question {
	has := func(one, other Role) bool { return slices.Contains(roles, one) || slices.Contains(roles, other) }
	list := []question{{"ledger", func(ctx context.Context) error {
		_, err := a.ledger.Protocol(ctx, a.config.Protocols()[0])
		return err
	}}}
	if has(RoleWork, RoleWatch) {
		list = append(list, question{"queue", func(ctx context.Context) error {
			_, err := a.queue.Counts(ctx)
			return err
		}}, question{"archive", func(ctx context.Context) error {
			for _, err := range a.archive.List(ctx, a.config.Archive.Prefix, "") {
				return err // of the first
			}
			return nil
		}})
	}
	if has(RoleLive, RoleArchive) {
		list = append(list, question{"incoming table", func(ctx context.Context) error {
			_, err := a.entries.Read(ctx, []string{"of no entry"})
			return err
		}})
	}
	return list
}

// The time between two tries of a question.
const (
	askFirst = 500 * time.Millisecond
	askMost  = 15 * time.Second
)

// ask asks each question until it is answered, or ctx ends. The pages do not tell why there is no answer, for anybody may read
// them: the log does.
func (a *App) ask(ctx context.Context, group *sync.WaitGroup, questions []question) {
	for _, q := range questions {
		a.watched.health.Need(q.of, "has not answered yet; the log tells why")
		group.Go(func() {
			for wait := askFirst; ; wait = min(2*wait, askMost) {
				err := q.ask(ctx)
				if err == nil {
					a.watched.health.Answered(q.of)
					return
				}
				if ctx.Err() == nil {
					a.log.Warn("not ready: a part of the backend gives no answer", zap.String("part", q.of), zap.Error(err))
				}
				select {
				case <-ctx.Done():
					return
				case <-time.After(wait):
				}
			}
		})
	}
}
