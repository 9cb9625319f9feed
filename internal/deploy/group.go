package deploy

import (
	"slices"

	"github.com/certkeep/certkeep/internal/service"
)

// servicesOf lists the services of jobs, each once, in order of appearance.
func servicesOf(works []*work) []service.Service {
	var all []service.Service
	for _, w := range works {
		for _, s := range w.job.Target.Services {
			if !slices.ContainsFunc(all, func(t service.Service) bool { return t.Name == s.Name }) {
				all = append(all, s)
			}
		}
	}
	return all
}

// telling leaves the jobs whose services are to be told.
func telling(works []*work) []*work {
	return slices.DeleteFunc(slices.Clone(works), func(w *work) bool { return w.job.Staged || w.silent })
}

// components splits jobs into groups that share no service. What happens to
// one group is nothing to the others.
func components(works []*work) [][]*work {
	leader := map[string]string{} // of each service: a service of the same group
	find := func(name string) string {
		for leader[name] != name {
			name = leader[name]
		}
		return name
	}
	for _, w := range works {
		for i, s := range w.job.Target.Services {
			if _, known := leader[s.Name]; !known {
				leader[s.Name] = s.Name
			}
			if i > 0 {
				leader[find(s.Name)] = find(w.job.Target.Services[0].Name)
			}
		}
	}
	var groups [][]*work
	place := map[string]int{}
	for _, w := range works {
		if len(w.job.Target.Services) == 0 {
			groups = append(groups, []*work{w})
			continue
		}
		name := find(w.job.Target.Services[0].Name)
		i, known := place[name]
		if !known {
			i = len(groups)
			place[name] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], w)
	}
	return groups
}

// partition splits a list in two, keeping the order.
func partition[T any](list []T, first func(T) bool) (yes, no []T) {
	for _, e := range list {
		if first(e) {
			yes = append(yes, e)
		} else {
			no = append(no, e)
		}
	}
	return yes, no
}
