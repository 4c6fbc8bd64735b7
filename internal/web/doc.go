// Package web serves what a process tells about itself over HTTP: its metrics, and whether it works.
//
//	GET /metrics  for Prometheus
//	GET /healthz  200 while every loop of the process goes on, else 503: whoever runs the process may end it then
//	GET /readyz   200 while it does its work, 503 before that and from the moment on in which it is told to stop
//
// The last two answer with a telemetry.Report as JSON. None of them bears a secret, and none changes anything. Profiles are served
// by a listener of their own, which is on the loopback interface whatever is configured: they show what is in the memory.
package web
