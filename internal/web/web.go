package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/seed-56345083/reprise/internal/telemetry"
)

// Options are what is served, and where.
type Options struct {
	Listen  string            // host:port; port 0 takes a free one. Empty: nothing but profiles is served
	Profile bool              // serve profiles, at a free port of the loopback interface
	Metrics http.Handler      // of /metrics
	Health  *telemetry.Health // of /healthz and /readyz
	Log     *zap.Logger       // is told the addresses
}

// Server serves from Open on, and until Run has ended.
type Server struct {
	parts []part
	log   *zap.Logger
}

// part is one listener.
type part struct {
	name     string
	listener net.Listener
	server   *http.Server
}

// The limits of a request: nobody can hold the process up, and nobody sends it more than a line.
const (
	readTimeout  = 5 * time.Second
	writeTimeout = 30 * time.Second
	idleTimeout  = 2 * time.Minute
	maxHeader    = 16 << 10
	closeTimeout = 2 * time.Second
	maxProfile   = 5 * time.Minute // that one may be recorded
)

// Open listens, so that an address that cannot be had is an error before anything else begins.
func Open(o Options) (*Server, error) {
	s := &Server{log: o.Log}
	if o.Listen != "" {
		if err := s.listen("telemetry", o.Listen, pages(o), writeTimeout); err != nil {
			return nil, err
		}
	}
	if o.Profile {
		if err := s.listen("profiles", "127.0.0.1:0", profiles(), maxProfile); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
}

func (s *Server) listen(name, address string, handler http.Handler, write time.Duration) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listening for %s: %w", name, err)
	}
	s.log.Info("serving "+name, zap.String("address", l.Addr().String()))
	s.parts = append(s.parts, part{name: name, listener: l, server: &http.Server{
		Handler: handler, ReadTimeout: readTimeout, WriteTimeout: write, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: zap.NewStdLog(s.log),
	}})
	return nil
}

// Addr is where the pages are served; empty where they are not.
func (s *Server) Addr() string { return s.addr("telemetry") }

// ProfileAddr is where the profiles are served; empty where they are not.
func (s *Server) ProfileAddr() string { return s.addr("profiles") }

func (s *Server) addr(name string) string {
	for _, p := range s.parts {
		if p.name == name {
			return p.listener.Addr().String()
		}
	}
	return ""
}

// Run serves until ctx ends; what is being answered then has two seconds. Call it once.
func (s *Server) Run(ctx context.Context) {
	var serving sync.WaitGroup
	for _, p := range s.parts {
		serving.Go(func() {
			if err := p.server.Serve(p.listener); !errors.Is(err, http.ErrServerClosed) {
				s.log.Error("serving "+p.name, zap.Error(err))
			}
		})
	}
	<-ctx.Done()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	for _, p := range s.parts {
		if err := p.server.Shutdown(last); err != nil {
			_ = p.server.Close() // whoever is still being answered is cut off
		}
	}
	serving.Wait()
}

func (s *Server) close() error {
	var errs []error
	for _, p := range s.parts {
		errs = append(errs, p.listener.Close())
	}
	return errors.Join(errs...)
}

// pages are those for whoever looks after the process.
func pages(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", o.Metrics)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, o.Health.Live()) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { answer(w, o.Health.Ready()) })
	return mux
}

func answer(w http.ResponseWriter, r telemetry.Report) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !r.OK {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(r) // whoever has gone away needs no answer
}

// profiles are those of net/http/pprof, without its own registration of them for everybody.
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}
