-- Revenue by calendar week (Sunday to Saturday, UTC) of each order's latest event. DuckDB; needs
-- `current_orders` and `week_of` of statistics.sql.
SELECT (DATE '1970-01-04' + INTERVAL 7 DAY * CAST(week_of(event_time) AS INTEGER))::DATE AS week,
       count(*) AS orders, CAST(sum(total_amount) AS DECIMAL(38, 2)) AS revenue
FROM current_orders
GROUP BY week
ORDER BY week;
