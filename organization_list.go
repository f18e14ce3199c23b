package auth

import "context"

// An OrganizationQuery says which organizations [Manager.Organizations] returns. The zero value is
// the first page of all.
type OrganizationQuery struct {
	After string // the Next of the page before
	Limit int    // about how many organizations a page has, 1 to 200; 0 is 50
}

// An OrganizationPage is a part of a list of organizations.
type OrganizationPage struct {
	Organizations []Organization
	Next          string // OrganizationQuery.After of the next page; "" after the last
}

// Organizations returns a page of all organizations whose deletion has not begun, by the rules and
// with the errors of [Manager.Users] for all accounts.
func (m *Manager) Organizations(ctx context.Context, q OrganizationQuery) (OrganizationPage, error) {
	limit, err := pageLimit(q.Limit)
	if err == nil {
		err = m.ready()
	}
	if err != nil {
		return OrganizationPage{}, err
	}
	records, next, err := m.readWalk(ctx, "organizations", q.After, limit, func(key string) bool { return oidOfRecord(key) != "" })
	if err != nil {
		return OrganizationPage{}, err
	}
	page := OrganizationPage{Next: next}
	for _, rec := range records {
		org := orgRow(oidOfRecord(rec.Key))
		if err := org.Decode(rec.Value); err != nil {
			org.Rec = orgRecord{}
		}
		if !org.Rec.Ended {
			id := orgPrefix + oidOfRecord(rec.Key)
			page.Organizations = append(page.Organizations, Organization{ID: id, Name: org.Rec.Name, CreatedAt: org.Rec.Created})
		}
	}
	return page, nil
}
