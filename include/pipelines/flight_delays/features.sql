-- One row a flight. The question is asked at 00:00 UTC of the flight's day, hours before the first
-- departure, and every feature is what was known then: the announced schedule, outcomes that had become
-- known on earlier days, the last weather observed, and the plane registry.
WITH spine AS (
    SELECT
        s.*,
        s.flight_date AS prediction_time,
        CAST(s.flight_date AS DATE) AS prediction_day,
        CASE
            WHEN o.flight_id IS NOT NULL
            THEN CAST(o.status <> 'arrived' OR o.arrival_delay_minutes > 15 AS INTEGER)
        END AS is_late
    FROM schedule AS s
    LEFT JOIN outcomes AS o USING (flight_id)
),

-- How full the announced day is, counted before the joins: a window carries every column that its rows have.
flights AS (
    SELECT
        *,
        count(*) OVER (PARTITION BY prediction_time, origin) AS origin_flights_of_day,
        count(*) OVER (PARTITION BY prediction_time, origin, departure_hour) AS origin_flights_of_hour,
        count(*) OVER (PARTITION BY prediction_time, destination) AS destination_flights_of_day,
        CASE
            WHEN tail_number IS NOT NULL
            THEN row_number() OVER (
                PARTITION BY prediction_time, tail_number ORDER BY scheduled_departure, flight_id
            )
        END AS plane_departure_of_day
    FROM spine
),

-- What each known outcome says, on the day on which it became known; and, without an outcome, each day on which
-- something is asked, so that the windows below end the day before the question, however long ago a flight was.
history AS (
    SELECT
        s.carrier,
        s.flight,
        s.origin,
        s.destination,
        s.departure_hour,
        CAST(o.available_at AS DATE) AS day,
        CAST(o.status <> 'arrived' OR o.arrival_delay_minutes > 15 AS INTEGER) AS late,
        o.departure_delay_minutes
    FROM outcomes AS o
    JOIN schedule AS s USING (flight_id)
    UNION ALL BY NAME
    SELECT carrier, flight, origin, destination, departure_hour, prediction_day AS day FROM spine
),

-- Sums over the days before each.
network AS (
    SELECT
        day,
        sum(sum(late)) OVER last_28 / sum(count(late)) OVER last_28 AS late_share_28d,
        sum(sum(late)) OVER last_1 / sum(count(late)) OVER last_1 AS late_share_1d
    FROM history
    GROUP BY day
    WINDOW
        last_1 AS (ORDER BY day RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND INTERVAL 1 DAY PRECEDING),
        last_28 AS (ORDER BY day RANGE BETWEEN INTERVAL 28 DAYS PRECEDING AND INTERVAL 1 DAY PRECEDING)
),

carriers AS (
    SELECT
        carrier,
        day,
        sum(sum(late)) OVER last_7 / sum(count(late)) OVER last_7 AS late_share_7d,
        sum(sum(late)) OVER last_28 / sum(count(late)) OVER last_28 AS late_share_28d
    FROM history
    GROUP BY carrier, day
    WINDOW
        last_7 AS (
            PARTITION BY carrier ORDER BY day
            RANGE BETWEEN INTERVAL 7 DAYS PRECEDING AND INTERVAL 1 DAY PRECEDING
        ),
        last_28 AS (
            PARTITION BY carrier ORDER BY day
            RANGE BETWEEN INTERVAL 28 DAYS PRECEDING AND INTERVAL 1 DAY PRECEDING
        )
),

origins AS (
    SELECT
        origin,
        day,
        sum(sum(late)) OVER last_1 / sum(count(late)) OVER last_1 AS late_share_1d,
        sum(avg(departure_delay_minutes)) OVER last_1 AS departure_delay_1d,
        sum(sum(late)) OVER last_7 / sum(count(late)) OVER last_7 AS late_share_7d
    FROM history
    GROUP BY origin, day
    WINDOW
        last_1 AS (
            PARTITION BY origin ORDER BY day
            RANGE BETWEEN INTERVAL 1 DAY PRECEDING AND INTERVAL 1 DAY PRECEDING
        ),
        last_7 AS (
            PARTITION BY origin ORDER BY day
            RANGE BETWEEN INTERVAL 7 DAYS PRECEDING AND INTERVAL 1 DAY PRECEDING
        )
),

origin_hours AS (
    SELECT
        origin,
        departure_hour,
        day,
        sum(sum(late)) OVER last_28 / sum(count(late)) OVER last_28 AS late_share_28d
    FROM history
    GROUP BY origin, departure_hour, day
    WINDOW last_28 AS (
        PARTITION BY origin, departure_hour ORDER BY day
        RANGE BETWEEN INTERVAL 28 DAYS PRECEDING AND INTERVAL 1 DAY PRECEDING
    )
),

routes AS (
    SELECT
        origin,
        destination,
        day,
        sum(sum(late)) OVER last_28 AS late_28d,
        sum(count(late)) OVER last_28 AS flights_28d
    FROM history
    GROUP BY origin, destination, day
    WINDOW last_28 AS (
        PARTITION BY origin, destination ORDER BY day
        RANGE BETWEEN INTERVAL 28 DAYS PRECEDING AND INTERVAL 1 DAY PRECEDING
    )
),

flight_numbers AS (
    SELECT
        carrier,
        flight,
        origin,
        day,
        sum(sum(late)) OVER last_28 AS late_28d,
        sum(count(late)) OVER last_28 AS flights_28d
    FROM history
    GROUP BY carrier, flight, origin, day
    WINDOW last_28 AS (
        PARTITION BY carrier, flight, origin ORDER BY day
        RANGE BETWEEN INTERVAL 28 DAYS PRECEDING AND INTERVAL 1 DAY PRECEDING
    )
),

observed AS (
    SELECT
        origin,
        available_at,
        CAST(available_at AS DATE) AS known_day,
        temperature_f,
        dew_point_f,
        humidity_percent,
        wind_speed_mph,
        visibility_miles,
        pressure_millibars,
        sum(precipitation_inches) OVER last_day AS precipitation_24h,
        min(visibility_miles) OVER last_day AS visibility_min_24h,
        max(wind_speed_mph) OVER last_day AS wind_max_24h,
        pressure_millibars - first(pressure_millibars) OVER last_day AS pressure_change_24h
    FROM weather
    WINDOW last_day AS (
        PARTITION BY origin ORDER BY available_at
        RANGE BETWEEN INTERVAL 24 HOURS PRECEDING AND CURRENT ROW
    )
)

SELECT
    flights.flight_id,
    flights.prediction_time,
    flights.is_late,

    -- the announced flight
    flights.carrier,
    flights.origin,
    flights.destination,
    flights.distance_miles,
    flights.departure_hour,
    flights.departure_hour * 60 + flights.departure_minute AS departure_minute_of_day,
    date_diff('minute', flights.scheduled_departure, flights.scheduled_arrival) AS scheduled_minutes,
    dayofweek(flights.prediction_day) AS weekday,
    month(flights.prediction_day) AS month,

    -- how full the announced day is
    flights.origin_flights_of_day,
    flights.origin_flights_of_hour,
    flights.destination_flights_of_day,
    flights.plane_departure_of_day,

    -- how late flights like this one have been
    network.late_share_1d AS network_late_share_1d,
    network.late_share_28d AS network_late_share_28d,
    carriers.late_share_7d AS carrier_late_share_7d,
    carriers.late_share_28d AS carrier_late_share_28d,
    origins.late_share_1d AS origin_late_share_1d,
    origins.late_share_7d AS origin_late_share_7d,
    origins.departure_delay_1d AS origin_departure_delay_1d,
    origin_hours.late_share_28d AS origin_hour_late_share_28d,
    -- few flights say little: shares are shrunk towards the network's by the weight of 20 flights
    (coalesce(routes.late_28d, 0) + 20 * network.late_share_28d) / (coalesce(routes.flights_28d, 0) + 20)
        AS route_late_share_28d,
    (coalesce(flight_numbers.late_28d, 0) + 20 * network.late_share_28d)
    / (coalesce(flight_numbers.flights_28d, 0) + 20) AS flight_number_late_share_28d,
    coalesce(flight_numbers.flights_28d, 0) AS flight_number_flights_28d,

    -- the weather when the question is asked
    observed.temperature_f,
    observed.dew_point_f,
    observed.humidity_percent,
    observed.wind_speed_mph,
    observed.visibility_miles,
    observed.pressure_millibars,
    observed.precipitation_24h,
    observed.visibility_min_24h,
    observed.wind_max_24h,
    observed.pressure_change_24h,

    -- the plane
    year(flights.prediction_day) - planes.year_built AS plane_age_years,
    planes.seats AS plane_seats,
    planes.manufacturer AS plane_manufacturer
FROM flights
LEFT JOIN network ON network.day = flights.prediction_day
LEFT JOIN carriers ON carriers.carrier = flights.carrier AND carriers.day = flights.prediction_day
LEFT JOIN origins ON origins.origin = flights.origin AND origins.day = flights.prediction_day
LEFT JOIN origin_hours
    ON origin_hours.origin = flights.origin
    AND origin_hours.departure_hour = flights.departure_hour
    AND origin_hours.day = flights.prediction_day
LEFT JOIN routes
    ON routes.origin = flights.origin
    AND routes.destination = flights.destination
    AND routes.day = flights.prediction_day
LEFT JOIN flight_numbers
    ON flight_numbers.carrier = flights.carrier
    AND flight_numbers.flight = flights.flight
    AND flight_numbers.origin = flights.origin
    AND flight_numbers.day = flights.prediction_day
-- an observation of an earlier day than the last tells nothing
ASOF LEFT JOIN observed
    ON observed.origin = flights.origin
    AND observed.known_day = flights.prediction_day - 1
    AND observed.available_at <= flights.prediction_time
ASOF LEFT JOIN planes
    ON planes.tail_number = flights.tail_number AND planes.available_at <= flights.prediction_time
