-- The ten most valuable customers: `ltvlog top 10`. DuckDB; needs `statistics` of statistics.sql.
-- All have the same weeks, so the ranking is exact; the quotient is rounded for people alone.
SELECT row_number() OVER (ORDER BY ltv_times_weeks DESC, encode(customer_id)) AS rank,
       customer_id, last_name, revenue, visits, orders, ltv_times_weeks, weeks,
       round(ltv_times_weeks / weeks, 2) AS ltv
FROM (FROM statistics ORDER BY ltv_times_weeks DESC, encode(customer_id) LIMIT 10)
ORDER BY rank;
