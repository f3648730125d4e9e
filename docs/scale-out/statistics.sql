-- Every customer's statistics as ltvlog has them, over the whole dataset. DuckDB; needs `events` of
-- files.sql. LTV is 52 x lifespan x revenue / weeks; it is kept exact, as a numerator and `weeks`.
CREATE OR REPLACE VIEW current_orders AS
  -- An order counts once: its latest event by event_time, then by sequence. A key is its partition's
  -- own: two partitions that have one key have two orders.
  SELECT partition, key, max_by(customer_id, (event_time, sequence)) AS customer_id,
         max_by(total_amount, (event_time, sequence)) AS total_amount,
         max(event_time) AS event_time
  FROM events WHERE type = 'ORDER' GROUP BY partition, key;

-- Calendar weeks, Sunday to Saturday, UTC, by their number: week 0 began on Sunday 1970-01-04.
CREATE OR REPLACE MACRO week_of_us(us) AS
  (us - ((us % 604800000000) + 604800000000) % 604800000000) // 604800000000;
CREATE OR REPLACE MACRO week_of(instant) AS week_of_us(epoch_us(instant) - 259200000000);

CREATE OR REPLACE VIEW frame AS
  SELECT min(event_time) AS first, max(event_time) AS last,
         week_of(max(event_time)) - week_of(min(event_time)) + 1 AS weeks
  FROM events;

CREATE OR REPLACE VIEW statistics AS
  WITH named AS (
    SELECT customer_id, min(event_time) AS first_event, max(event_time) AS last_event,
           count(*) FILTER (type = 'SITE_VISIT') AS visits
    FROM events GROUP BY customer_id
  ), ordered AS (
    SELECT customer_id, count(*) AS orders, CAST(sum(total_amount) AS DECIMAL(38, 2)) AS revenue
    FROM current_orders GROUP BY customer_id
  ), called AS (
    -- A field has the value of the latest event that gives it one.
    SELECT customer_id,
           max_by(last_name, (event_time, sequence)) FILTER (last_name IS NOT NULL) AS last_name,
           max_by(adr_city, (event_time, sequence)) FILTER (adr_city IS NOT NULL) AS adr_city,
           max_by(adr_state, (event_time, sequence)) FILTER (adr_state IS NOT NULL) AS adr_state
    FROM events WHERE type = 'CUSTOMER' GROUP BY customer_id
  )
  SELECT customer_id, last_name, adr_city, adr_state, visits, coalesce(orders, 0) AS orders,
         coalesce(revenue, 0)::DECIMAL(38, 2) AS revenue, first_event, last_event,
         CAST(520 * coalesce(revenue, 0) AS DECIMAL(38, 2)) AS ltv_times_weeks,
         (SELECT weeks FROM frame) AS weeks
  FROM named LEFT JOIN ordered USING (customer_id) LEFT JOIN called USING (customer_id);
