package handover_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/handover"
	"github.com/certkeep/certkeep/internal/plan"
	"github.com/certkeep/certkeep/internal/service"
)

// The least time between two reloads begins with a reload, also one that failed,
// and not where nobody was told.
func TestPace(t *testing.T) {
	web := service.Service{Name: "web", MinInterval: time.Hour}
	mail := service.Service{Name: "mail"}
	job := func(services ...service.Service) []deploy.Job {
		return []deploy.Job{{Target: deploy.Target{Services: services}}}
	}
	failed := func(code plan.Code) deploy.Result { return deploy.Result{Fault: &plan.Fault{Code: code}} }
	for name, c := range map[string]struct {
		result deploy.Result
		next   []deploy.Job
		waits  time.Duration
		told   []string
	}{
		"told":               {deploy.Result{Reloaded: []string{"web", "mail"}}, job(web), time.Hour, []string{"web"}},
		"told, the other":    {deploy.Result{Reloaded: []string{"web", "mail"}}, job(mail), time.Second, []string{"mail"}},
		"told, both":         {deploy.Result{Reloaded: []string{"web", "mail"}}, job(web, mail), time.Hour, []string{"mail", "web"}},
		"only the other":     {deploy.Result{Reloaded: []string{"mail"}, Stopped: []string{"web"}}, job(web), 0, nil},
		"nobody":             {deploy.Result{}, job(web, mail), 0, nil},
		"failed":             {failed(plan.CodeServiceReload), job(web), time.Hour, []string{"web"}},
		"failed, taken back": {failed(plan.CodeRolledBack), job(web), time.Hour, []string{"web"}},
		"refused":            {failed(plan.CodeServiceCheck), job(web), 0, nil},
		"another service":    {failed(plan.CodeServiceReload), job(service.Service{Name: "db", MinInterval: time.Hour}), 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := handover.Pace{Least: time.Second}
				p.Turn(t.Context(), job(web, mail), nil)([]deploy.Result{c.result})
				began := time.Now()
				var waited []string
				p.Turn(t.Context(), c.next, func(service string, _ time.Time) { waited = append(waited, service) })(nil)
				if took := time.Since(began); took != c.waits || !slices.Equal(waited, c.told) {
					t.Errorf("waited %s for %v", took, waited)
				}
			})
		})
	}
}

// The end does not wait for services.
func TestPaceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p handover.Pace
		jobs := []deploy.Job{{Target: deploy.Target{Services: []service.Service{{Name: "web", MinInterval: time.Hour}}}}}
		p.Turn(t.Context(), jobs, nil)([]deploy.Result{{Reloaded: []string{"web"}}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		p.Turn(ctx, jobs, nil)(nil)
		if took := time.Since(began); took != time.Minute {
			t.Errorf("waited %s", took)
		}
	})
}
